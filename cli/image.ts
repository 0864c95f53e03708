import { existsSync } from 'node:fs'
import { loadImage } from '../node-agent/runtime/containerd.ts'
import { pathsOf } from './cluster.ts'
import { CliError } from './errors.ts'
import { readRunning } from './running.ts'

/** Loads an image archive into the cluster's private containerd and prints the names of the images it held. */
export async function load(file: string, options: { readonly dataDir: string }): Promise<void> {
  const paths = pathsOf(options.dataDir)
  if (!existsSync(file)) throw new CliError(`no such file: ${file}`)
  const running = readRunning(paths)
  if (running === undefined)
    throw new CliError(`no cluster runs on ${paths.dir}`, { hint: 'start it with: ./wherry up --detach' })
  if (running.controlPlaneOnly)
    throw new CliError('this cluster has no node here: it was started with --control-plane-only')
  for (const name of await loadImage({ dataDir: paths.node, file })) process.stdout.write(`${name}\n`)
}
