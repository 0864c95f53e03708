import { spawn } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { CliError } from '../errors.ts'
import type { Progress } from '../terminal.ts'

const home = join(import.meta.dirname, '..', '..')
/** On real AWS a stack takes minutes: how often a line says how far it is. */
const TELL_MS = 15_000

export interface CdkDeploy {
  /** "wherry-main" */
  readonly stack: string
  readonly context: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  /** A folder for what it makes. */
  readonly output: string
  /** All that it prints. */
  readonly log: string
}

/** Runs the real `cdk deploy` on both stacks of a cluster, and says when each part of it is done. */
export async function cdkDeploy(deploy: CdkDeploy, progress: Progress): Promise<void> {
  const { stack, context, log, output } = deploy
  const args = [
    ...['deploy', stack, '--app', `"${process.execPath}" --no-warnings infra/app.ts`, '--output', output],
    ...['--require-approval', 'never', '--progress', 'events', '--no-notices', '--ci', '--no-color'],
    ...Object.entries(context).flatMap(([key, value]) => ['--context', `${key}=${value}`])
  ]
  writeFileSync(log, '')
  const child = spawn(process.execPath, ['--no-warnings', join(home, 'node_modules/aws-cdk/bin/cdk'), ...args], {
    cwd: home,
    env: { ...process.env, ...deploy.environment, CDK_DISABLE_CLI_TELEMETRY: '1' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const tell = follower(stack, progress)
  const lines: string[] = []
  const readers = [child.stdout, child.stderr].map(async (input) => {
    for await (const line of createInterface({ input })) {
      lines.push(line)
      appendFileSync(log, `${line}\n`)
      tell(line)
    }
  })
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exit) => resolve(exit ?? 1))
  })
  await Promise.all(readers)
  if (code !== 0) throw cdkFailure(lines, log)
}

/** Turns the CDK's lines into steps. */
function follower(stack: string, progress: Progress): (line: string) => void {
  let since = performance.now()
  let told = since
  const step = (what: string) => {
    const now = performance.now()
    progress.say(`  ${what.padEnd(44)} ${((now - since) / 1000).toFixed(2)} s`)
    since = now
    told = now
  }
  return (line) => {
    const [, done] = /✅ +(\S+)( |$)/.exec(line) ?? []
    const [, of, count] = /^(\S+) \| +(\d+\/\d+) \|/.exec(line) ?? []
    if (line.includes('Synthesis time')) step('code and templates')
    else if (done !== undefined) step(done === stack ? `stack ${stack}` : `bucket for the code (${done})`)
    else if (of !== undefined && performance.now() - told > TELL_MS) {
      told = performance.now()
      progress.say(`    ${of}: ${count} resources`)
    }
  }
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/is not authorized to perform: (\S+)/, 'whoever deploys needs that right'],
  [/(ExpiredToken|security token included in the request is expired)/, 'log in again, for instance: aws sso login'],
  [
    /(ROLLBACK_COMPLETE|ROLLBACK_FAILED) state/,
    'an earlier deploy failed half-way: ./wherry destroy, then deploy again'
  ],
  [/LimitExceeded/, 'a quota of the account is used up: see Service Quotas in the console']
]

/** What it printed of what went wrong, and what to do about it where that is known. */
function cdkFailure(lines: readonly string[], log: string): CliError {
  const wrong = lines.filter((line) => /FAILED|[Ee]rror|failed|not authorized|❌/.test(line))
  const told = (wrong.length === 0 ? lines : wrong).slice(-6).map((line) => line.trim())
  const text = lines.join('\n')
  const hint = HINTS.find(([pattern]) => pattern.test(text))?.[1]
  return new CliError(`the deployment failed:\n        ${told.join('\n        ')}`, {
    hint: `${hint === undefined ? '' : `${hint}\n`}all that the CDK printed is in ${log}`
  })
}
