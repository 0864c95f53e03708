import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { CliError } from './errors.ts'
import type { Progress } from './terminal.ts'

/** A program that a node needs, and the Debian package that has it. */
export interface Need {
  readonly what: string
  readonly package: string
  readonly paths: readonly string[]
}

const bin = (name: string) =>
  ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/bin', '/usr/local/sbin'].map((dir) => `${dir}/${name}`)

export const NODE_NEEDS: readonly Need[] = [
  { what: 'containerd', package: 'containerd', paths: bin('containerd') },
  { what: 'runc', package: 'runc', paths: bin('runc') },
  { what: 'CNI plugins', package: 'containernetworking-plugins', paths: ['/usr/lib/cni/ptp', '/opt/cni/bin/ptp'] },
  { what: 'nft', package: 'nftables', paths: bin('nft') },
  { what: 'ip', package: 'iproute2', paths: bin('ip') },
  { what: 'conntrack', package: 'conntrack', paths: bin('conntrack') }
]

export const IMAGE_NEEDS: readonly Need[] = [
  { what: 'a static busybox', package: 'busybox-static', paths: ['/bin/busybox', '/usr/bin/busybox'] },
  { what: 'umoci', package: 'umoci', paths: bin('umoci') },
  { what: 'skopeo', package: 'skopeo', paths: bin('skopeo') }
]

export function missing(needs: readonly Need[]): readonly Need[] {
  return needs.filter((need) => !need.paths.some((path) => existsSync(path)))
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** What keeps this machine from running a node, in words; empty when nothing does. Missing packages are not counted. */
export function machineProblems(): readonly string[] {
  const problems: string[] = []
  if (process.platform !== 'linux') return [`a node needs Linux, this is ${process.platform}`]
  if (!isRoot()) problems.push('a node needs root')
  const groups = readFileSync('/proc/filesystems', 'utf8')
  if (!groups.includes('overlay') && !loadModule('overlay')) problems.push('the kernel has no overlay file system')
  if (!existsSync('/sys/fs/cgroup')) problems.push('cgroups are not mounted at /sys/fs/cgroup')
  return problems
}

function loadModule(name: string): boolean {
  return spawnSync('modprobe', [name], { stdio: 'ignore' }).status === 0
}

/** Installs what is missing with apt; throws with the list where that cannot be done. */
export async function install(needs: readonly Need[], progress: Progress): Promise<void> {
  const wanted = missing(needs)
  if (wanted.length === 0) return
  const packages = wanted.map((need) => need.package)
  const names = wanted.map((need) => need.what).join(', ')
  if (!isRoot() || !existsSync('/usr/bin/apt-get')) {
    throw new CliError(`missing on this machine: ${names}`, { hint: `install the packages ${packages.join(' ')}` })
  }
  await progress.step(`installing ${packages.join(' ')}`, async () => {
    apt(['update', '-qq'])
    apt(['install', '-y', '-qq', '--no-install-recommends', ...packages])
  })
  const still = missing(needs)
  if (still.length > 0)
    throw new CliError(
      `apt installed the packages, but these are still missing: ${still.map((need) => need.what).join(', ')}`
    )
}

function apt(args: readonly string[]): void {
  const result = spawnSync('apt-get', args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  })
  if (result.status === 0) return
  const said = `${result.stderr ?? ''}${result.error?.message ?? ''}`.trim().split('\n').slice(-3).join(' ')
  throw new CliError(`apt-get ${args[0]} failed: ${said}`, {
    hint: 'see what it says, mend it, and run the command again'
  })
}

/** Throws when nobody could listen there. */
export async function requirePort(port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EACCES'
          ? 'may not be used without root'
          : error.code === 'EADDRINUSE'
            ? 'is already taken'
            : error.message
      reject(new CliError(`port ${port} ${why}`, { hint: 'choose another with --port' }))
    })
    probe.listen({ port, host: '0.0.0.0', exclusive: true }, () => probe.close(() => resolve()))
  })
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The first executable of that name on the PATH. */
export function findOnPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(':')
    .map((dir) => `${dir}/${name}`)
    .find(isExecutable)
}
