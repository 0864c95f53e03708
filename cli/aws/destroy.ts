import { createInterface } from 'node:readline/promises'
import { CliError } from '../errors.ts'
import { type Progress, terminal } from '../terminal.ts'
import { refuseEndpoint } from './deploy.ts'
import {
  deleteBucketContents,
  deleteLogs,
  deleteParameters,
  deleteQueues,
  deleteStack,
  stopLaunching,
  stopTasks,
  terminateInstances
} from './leftovers.ts'
import { readLocal, stopLocal } from './local.ts'
import { openSession, type Session } from './session.ts'
import { describeStack } from './stack.ts'

export interface DestroyOptions {
  readonly name: string
  readonly region?: string
  readonly emulator?: boolean
  /** Do not ask. */
  readonly yes?: boolean
}

/** Takes a cluster out of an account, with everything that its functions and nodes made. Nothing stays. */
export async function destroy(options: DestroyOptions, progress: Progress = terminal): Promise<void> {
  const { name } = options
  refuseEndpoint(options)
  const local = options.emulator === true ? readLocal(name) : undefined
  if (options.emulator === true) {
    // One that was given lives on, and must be left as it was; what we started is gone with its process.
    if (local?.emulator === 'given')
      await destroyIn(await openSession({ region: options.region, local }), name, progress)
    await progress.step('emulator', async () => await stopLocal(name))
    return
  }
  const session = await openSession({ region: options.region })
  const found =
    (await describeStack(session, `wherry-${name}`)) ?? (await describeStack(session, `wherry-${name}-assets`))
  if (found === undefined) {
    // What an earlier try left goes all the same.
    progress.say(`no stack of a cluster called ${name} is in ${session.region} of account ${session.account}`)
  } else if (options.yes !== true) await confirm(session, name)
  await destroyIn(session, name, progress)
}

async function destroyIn(session: Session, name: string, progress: Progress): Promise<void> {
  const stack = `wherry-${name}`
  const { account, region } = session
  await progress.step('functions stop launching nodes', async () => await stopLaunching(session, stack))
  await progress.step('instances', async () => await terminateInstances(session, name))
  await progress.step('tasks', async () => await stopTasks(session, stack))
  await progress.step(`stack ${stack}`, async () => await deleteStack(session, stack))
  await progress.step('queues of nodes', async () => await deleteQueues(session, `${stack}-node-`))
  await progress.step('keys and parameters', async () => await deleteParameters(session, `/wherry/${name}/`))
  await progress.step('logs', async () => await deleteLogs(session, `/aws/lambda/${stack}-`))
  await progress.step('bucket for the code', async () => {
    await deleteBucketContents(session, `${stack}-${account}-${region}`)
    await deleteStack(session, `${stack}-assets`)
  })
}

/** A deleted cluster's objects are gone for good. */
async function confirm(session: Session, name: string): Promise<void> {
  if (process.stdin.isTTY !== true) {
    throw new CliError(`this would delete the cluster ${name} with all that it stores`, {
      hint: 'say that you mean it: --yes',
      exitCode: 2
    })
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const question = `This deletes the cluster ${name} in ${session.region} of account ${session.account}, with all that it stores.\nType its name to go on: `
  const answer = await terminal.question(question)
  terminal.close()
  if (answer.trim() !== name) throw new CliError('nothing was deleted')
}
