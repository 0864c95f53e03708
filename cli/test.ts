import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { CliError } from './errors.ts'
import { bundledTool } from './kubectl.ts'
import { EMULATOR_NEEDS, IMAGE_NEEDS, install, isRoot, missing, NODE_NEEDS } from './preflight.ts'
import { terminal } from './terminal.ts'

const home = join(import.meta.dirname, '..')

interface Stage {
  readonly name: string
  readonly args: readonly string[]
  /** Whether it is a run of jest, which writes what it found to a file. */
  readonly jest: boolean
}

/** What is read of jest's --json. */
export interface JestResult {
  readonly testResults: readonly JestFile[]
}

interface JestFile {
  readonly name: string
  readonly status: 'passed' | 'failed'
  readonly startTime: number
  readonly endTime: number
  /** None where the file could not be run at all. */
  readonly assertionResults: readonly { readonly status: string }[]
}

interface Outcome {
  readonly stage: Stage
  readonly ok: boolean
  readonly seconds: number
  readonly result: JestResult | undefined
  /** Test files that failed at first and passed when they ran once more. */
  readonly unsteady?: readonly string[]
}

const tool = (path: string) => join(home, 'node_modules', path)

const CHECKS: readonly Stage[] = [
  { name: 'lint', args: [tool('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'], jest: false },
  { name: 'types', args: [tool('typescript/bin/tsc'), '--noEmit'], jest: false }
]

/** Suites that use the whole machine (containers, kills, load) run one after another, after the quick ones. */
const HEAVY = 'test/(e2e|sim|golden)/|node-agent/.*\\.integration\\.test'
/** Clusters on emulators of AWS, which are fetched at the first run. */
const AWS = 'test/aws/'
/** Of them, those with nodes: real agents and containers, one after another. */
const AWS_NODES = 'test/aws/(nodes|on-demand|fargate)\\.test'
/** Files named at the end, so that somebody looks at them. */
const SLOWEST = 5
/** So few failed files of a stage are run once more: what is broken fails again, and what is unsteady is named. */
const MOST_AGAIN = 3

function jest(name: string, args: readonly string[]): Stage {
  const flags = ['--experimental-vm-modules', '--no-warnings', '--max-old-space-size=4096']
  return { name, args: [...flags, tool('jest/bin/jest.js'), '--colors=false', ...args], jest: true }
}

/**
 * Runs lint, types and the tests; with names, only the checks so called and the test files whose path has one in it.
 * What needs root or containerd is skipped, with the reason, where the user lacks them; with CI=1 that is a failure.
 * Every stage runs, whatever failed before; throws when one did.
 */
export async function test(names: readonly string[]): Promise<void> {
  const stages = stagesFor(names)
  if (stages.some((stage) => stage.jest)) await prepare()
  const folder = mkdtempSync(join(tmpdir(), 'wherry-test-'))
  try {
    const outcomes = stages.map((stage) => run(stage, join(folder, 'result.json')))
    for (const line of summary(outcomes)) terminal.say(line)
    const failed = outcomes.filter(({ ok }) => !ok).map(({ stage }) => stage.name)
    if (failed.length > 0) throw new CliError(`failed: ${failed.join(', ')}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function stagesFor(names: readonly string[]): readonly Stage[] {
  if (names.length === 0) {
    return [
      ...CHECKS,
      jest('tests', ['--testPathIgnorePatterns', '/node_modules/', HEAVY, AWS, '--maxWorkers=2']),
      jest('tests of the whole machine', ['--runInBand', '--testPathPatterns', HEAVY]),
      jest('tests of AWS', ['--testPathPatterns', AWS, '--testPathIgnorePatterns', AWS_NODES, '--maxWorkers=2']),
      jest('tests of nodes on AWS', ['--runInBand', '--testPathPatterns', AWS_NODES])
    ]
  }
  const checks = CHECKS.filter((check) => names.includes(check.name))
  const patterns = names.filter((name) => !checks.some((check) => check.name === name))
  if (patterns.length === 0) return checks
  return [...checks, jest(`tests of ${patterns.join(' ')}`, ['--runInBand', '--testPathPatterns', ...patterns])]
}

function run(stage: Stage, resultFile: string): Outcome {
  terminal.say(`\n== ${stage.name}`)
  rmSync(resultFile, { force: true })
  const args = stage.jest ? [...stage.args, '--json', '--outputFile', resultFile] : stage.args
  const start = performance.now()
  const { status } = spawnSync(process.execPath, args, { cwd: home, stdio: 'inherit' })
  const seconds = () => (performance.now() - start) / 1000
  const result = stage.jest ? readResult(resultFile) : undefined
  const failed = result?.testResults.filter((file) => file.status === 'failed').map(({ name }) => name) ?? []
  if (status === 0 || result === undefined || failed.length === 0 || failed.length > MOST_AGAIN)
    return { stage, ok: status === 0, seconds: seconds(), result }
  terminal.say(`\n== ${stage.name}: once more ${failed.map((name) => relative(home, name)).join(', ')}`)
  const once = jest('', ['--runInBand', '--json', '--outputFile', resultFile, '--runTestsByPath', ...failed])
  const ok = spawnSync(process.execPath, once.args, { cwd: home, stdio: 'inherit' }).status === 0
  const second = readResult(resultFile)
  return { stage, ok, seconds: seconds(), result: merged(result, second), unsteady: ok ? failed : [] }
}

/** The files of `second` stand for those of the same names. */
export function merged(first: JestResult, second: JestResult | undefined): JestResult {
  const again = new Map(second?.testResults.map((file) => [file.name, file]))
  return { testResults: first.testResults.map((file) => again.get(file.name) ?? file) }
}

function readResult(file: string): JestResult | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as JestResult
  } catch {
    return undefined
  }
}

/** The last line is the plain sum that CI systems look for. */
export function summary(outcomes: readonly Outcome[]): string[] {
  const results = outcomes.flatMap(({ result }) => result?.testResults ?? [])
  const tests = results.flatMap(({ assertionResults }) => assertionResults)
  const count = (...statuses: readonly string[]) => tests.filter(({ status }) => statuses.includes(status)).length
  const row = (start: string, name: string, seconds: number) =>
    `${start.padEnd(7)}${name.padEnd(48)} ${seconds.toFixed(0).padStart(5)} s`
  const stages = outcomes.map(({ stage, ok, seconds }) => row(ok ? 'ok' : 'FAILED', stage.name, seconds))
  const files = results
    .map(({ name, startTime, endTime }) => ({ name: relative(home, name), seconds: (endTime - startTime) / 1000 }))
    .sort((a, b) => b.seconds - a.seconds)
  const slowest = files.slice(0, SLOWEST).map(({ name, seconds }) => row('', name, seconds))
  const broken = results.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
  const counts = [
    `${count('passed')} passed`,
    `${count('failed') + broken} failed`,
    `${count('pending', 'skipped', 'disabled', 'todo')} skipped`
  ]
  const unsteady = outcomes.flatMap((outcome) => outcome.unsteady ?? []).map((name) => `       ${relative(home, name)}`)
  return [
    '',
    ...stages,
    ...(files.length > SLOWEST ? ['', 'the slowest files:', ...slowest] : []),
    ...(unsteady.length === 0 ? [] : ['', 'failed at first, passed when run once more:', ...unsteady]),
    ...(results.length === 0 ? [] : ['', counts.join(', ')])
  ]
}

async function prepare(): Promise<void> {
  const needs = [...NODE_NEEDS, ...IMAGE_NEEDS, ...EMULATOR_NEEDS]
  if (isRoot()) await install(needs, terminal)
  const lacking = missing(needs).map((need) => need.what)
  if (lacking.length > 0) terminal.say(`some tests will be skipped, for want of: ${lacking.join(', ')}`)
  // Unpacked now, so that no test's time goes into it.
  await bundledTool('kubectl')
}
