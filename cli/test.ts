import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { CliError } from './errors.ts'
import { bundledTool } from './kubectl.ts'
import { IMAGE_NEEDS, install, isRoot, missing, NODE_NEEDS } from './preflight.ts'
import { terminal } from './terminal.ts'

const home = join(import.meta.dirname, '..')

interface Stage {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
}

const tool = (path: string) => join(home, 'node_modules', path)

const CHECKS: readonly Stage[] = [
  {
    name: 'lint',
    program: process.execPath,
    args: [tool('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']
  },
  { name: 'types', program: process.execPath, args: [tool('typescript/bin/tsc'), '--noEmit'] }
]

/** Suites that use the whole machine (containers, kills, load) run one after another, after the quick ones. */
const HEAVY = 'test/(e2e|sim|golden|aws)/|node-agent/.*\\.integration\\.test'

function jest(name: string, args: readonly string[]): Stage {
  const flags = ['--experimental-vm-modules', '--no-warnings', '--max-old-space-size=4096']
  return { name, program: process.execPath, args: [...flags, tool('jest/bin/jest.js'), '--colors=false', ...args] }
}

/**
 * Runs lint, types and the tests; with names, only the checks so called and the test files whose path has one in it.
 * What needs root or containerd is skipped, with the reason, where the user lacks them; with CI=1 that is a failure.
 */
export async function test(names: readonly string[]): Promise<void> {
  await prepare()
  const failed: string[] = []
  for (const stage of stagesFor(names)) {
    terminal.say(`\n== ${stage.name}`)
    const result = spawnSync(stage.program, stage.args, { cwd: home, stdio: 'inherit' })
    if (result.status !== 0) failed.push(stage.name)
  }
  if (failed.length > 0) throw new CliError(`failed: ${failed.join(', ')}`)
}

function stagesFor(names: readonly string[]): readonly Stage[] {
  if (names.length === 0) {
    return [
      ...CHECKS,
      jest('tests', ['--testPathIgnorePatterns', '/node_modules/', HEAVY, '--maxWorkers=2']),
      jest('tests of the whole machine', ['--runInBand', '--testPathPatterns', HEAVY])
    ]
  }
  const checks = CHECKS.filter((check) => names.includes(check.name))
  const patterns = names.filter((name) => !checks.some((check) => check.name === name))
  return patterns.length === 0
    ? checks
    : [...checks, jest(patterns.join(' '), ['--runInBand', '--testPathPatterns', ...patterns])]
}

async function prepare(): Promise<void> {
  const needs = [...NODE_NEEDS, ...IMAGE_NEEDS]
  if (isRoot()) await install(needs, terminal)
  const lacking = missing(needs).map((need) => need.what)
  if (lacking.length > 0) terminal.say(`some tests will be skipped, for want of: ${lacking.join(', ')}`)
  process.env.WHERRY_TEST_KUBECTL = await bundledTool('kubectl')
}
