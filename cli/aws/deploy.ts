import { mkdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { CliError } from '../errors.ts'
import { type Progress, terminal } from '../terminal.ts'
import { cdkDeploy } from './cdk.ts'
import { deploymentDir, localPaths, startLocal, writeApiId } from './local.ts'
import { openSession, type Session } from './session.ts'
import { describeStack, output } from './stack.ts'

export interface DeployOptions {
  readonly name: string
  readonly region?: string
  readonly emulator?: boolean
  /** Leave out the VPC and all that instances need. */
  readonly nodes: boolean
  /** "KEY=VALUE" of the CDK's context, beyond what cdk.json has. */
  readonly context?: readonly string[]
}

/** A function's first start makes the cluster's keys and what it starts with. */
const FIRST_ANSWER_MS = 120_000

/** Puts a cluster into an account, or brings the one that is there up to date. */
export async function deploy(options: DeployOptions, progress: Progress = terminal): Promise<void> {
  const { name } = options
  refuseEndpoint(options)
  const local =
    options.emulator === true ? await progress.step('emulator', async () => await startLocal(name)) : undefined
  const session = await openSession({ region: options.region, ...(local === undefined ? {} : { local }) })
  progress.say(
    `  as ${session.arn} in ${local === undefined ? session.region : `${local.emulator}, ${local.endpoint}`}`
  )
  const stack = `wherry-${name}`
  const dir = deploymentDir(name)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const context = {
    name,
    adminArn: session.arn,
    ...(options.nodes ? {} : { nodes: '{"enabled":false}' }),
    ...Object.fromEntries((options.context ?? []).map((one) => one.split(/=(.*)/s).slice(0, 2))),
    ...(local === undefined ? {} : { emulated: 'true', endpoint: local.server })
  }
  const { environment } = session
  await cdkDeploy({ stack, context, environment, output: join(dir, 'cdk.out'), log: join(dir, 'deploy.log') }, progress)
  const endpoint = await findEndpoint(session, stack)
  if (local !== undefined) await announce(session, { name, stack })
  await progress.step('the API answers', async () => await awaitAnswer(endpoint, local && localPaths(name).authority))
  for (const line of nextSteps(options, endpoint)) progress.say(line)
}

/** Deploying to an emulator by mistake would make a cluster that nobody can reach. */
export function refuseEndpoint({ emulator }: Pick<DeployOptions, 'emulator'>): void {
  if (emulator === true || (process.env.AWS_ENDPOINT_URL ?? '') === '') return
  throw new CliError('AWS_ENDPOINT_URL is set, which is for emulators', {
    hint: 'add --emulator, or: unset AWS_ENDPOINT_URL',
    exitCode: 2
  })
}

async function findEndpoint(session: Session, name: string): Promise<string> {
  const stack = await describeStack(session, name)
  const endpoint = stack === undefined ? undefined : output(stack, 'Endpoint')
  if (endpoint === undefined) throw new CliError(`the stack ${name} has no output Endpoint`)
  return endpoint
}

/** Tells the proxy which API it stands for. */
async function announce(session: Session, { name, stack }: { name: string; stack: string }): Promise<void> {
  const described = await describeStack(session, stack)
  const id = described === undefined ? undefined : output(described, 'ApiId')
  if (id === undefined) throw new CliError(`the stack ${stack} has no output ApiId`)
  writeApiId(name, id)
}

async function awaitAnswer(endpoint: string, authority: string | undefined): Promise<void> {
  const ca = authority === undefined ? undefined : readFileSync(authority, 'utf8')
  let last = ''
  for (const end = Date.now() + FIRST_ANSWER_MS; Date.now() < end; await wait(200)) {
    last = await ask(`${endpoint}/readyz`, ca)
    if (last === 'ok') return
  }
  throw new CliError(`the API at ${endpoint} does not get ready: ${last}`, {
    hint: 'see the log group of its function'
  })
}

/** The body of a 200, or what was wrong. */
async function ask(url: string, ca: string | undefined): Promise<string> {
  return await new Promise((resolve) => {
    const sent = request(url, { timeout: 30_000, ...(ca === undefined ? {} : { ca }) }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.once('end', () => resolve(response.statusCode === 200 ? text : `${response.statusCode} ${text}`))
      response.once('error', (error) => resolve(error.message))
    })
    sent.once('timeout', () => sent.destroy(new Error('no answer within 30 s')))
    sent.once('error', (error) => resolve(error.message))
    sent.end()
  })
}

function nextSteps({ name, region, emulator }: DeployOptions, endpoint: string): string[] {
  const flags = [
    ...(name === 'main' ? [] : [`--name ${name}`]),
    ...(region === undefined ? [] : [`--region ${region}`]),
    ...(emulator === true ? ['--emulator'] : [])
  ]
  const command = (verb: string) => ['./wherry', verb, ...flags].join(' ')
  return [
    '',
    `The cluster ${name} is at ${endpoint}`,
    '',
    'Next:',
    `  ${command('kubeconfig')} > ${name}.kubeconfig`,
    `  export KUBECONFIG=$PWD/${name}.kubeconfig`,
    '  kubectl apply -f examples/web.yaml',
    `  ${command('destroy')}`
  ]
}
