import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { loadImage } from '../node-agent/runtime/containerd.ts'
import { requireCluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { codeOf, fileFailure } from './files.ts'
import { dataDirFlag, type Paths, pathsOf } from './paths.ts'
import { isRoot } from './preflight.ts'
import { requireRunning } from './running.ts'

/** Loads an image archive into the cluster's private containerd and prints the names of the images it held. */
export async function load(file: string, options: { readonly dataDir: string }): Promise<void> {
  const paths = pathsOf(options.dataDir)
  requireFile(file)
  requireCluster(paths)
  if (requireRunning(paths).controlPlaneOnly)
    throw new CliError('this cluster has no node here: it was started with --control-plane-only')
  if (!isRoot()) throw new CliError('loading an image needs root', { hint: 'run it as root (sudo ./wherry ...)' })
  const names = await loadImage({ dataDir: paths.node, file: resolve(file) }).catch((error: unknown) => {
    throw refusal(file, error, paths)
  })
  if (names.length === 0) {
    throw new CliError(`${file} names no image`, {
      hint: 'save it with a name: docker save NAME:TAG, or skopeo copy ... docker-archive:FILE:NAME:TAG'
    })
  }
  for (const name of names) process.stdout.write(`${name}\n`)
}

function requireFile(file: string): void {
  try {
    if (statSync(file).isDirectory())
      throw new CliError(`${file} is a folder`, { hint: `pack an OCI layout first: tar -C ${file} -cf image.tar .` })
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') throw new CliError(`no such file: ${file}`)
    throw fileFailure(error, file)
  }
}

/** What ctr says, without its ways of saying it. */
function refusal(file: string, error: unknown, paths: Paths): unknown {
  const known = fileFailure(error, file)
  if (known instanceof CliError) return known
  const said = (error as { stderr?: string }).stderr ?? (error instanceof Error ? error.message : String(error))
  const why =
    said
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^ctr: /, '') ?? ''
  if (/connection (refused|error)|context deadline|no containerd runs/.test(said)) {
    return new CliError(`the node's containerd does not answer: ${why}`, {
      hint: `see ./wherry doctor${dataDirFlag(paths)}`
    })
  }
  return new CliError(`${file} is not an image archive that can be loaded: ${why}`, {
    hint: 'make one with docker save, podman save, or skopeo copy ... docker-archive:FILE:NAME:TAG'
  })
}
