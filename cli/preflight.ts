import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
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

const ownPrograms = (process.env.PATH ?? '').split(':').filter((dir) => dir !== '' && !/^\/(usr\/)?s?bin$/.test(dir))

/** What the emulators of AWS run on. Debian's Python makes virtual environments with a package of its own only. */
export const EMULATOR_NEEDS: readonly Need[] = [
  {
    what: 'java',
    package: 'default-jre-headless',
    paths: [...bin('java'), ...ownPrograms.map((dir) => `${dir}/java`)]
  },
  { what: 'mvn', package: 'maven', paths: [...bin('mvn'), ...ownPrograms.map((dir) => `${dir}/mvn`)] },
  {
    what: 'python3 with venv',
    package: 'python3-venv',
    paths: ['/usr/share/doc/python3-venv', ...ownPrograms.map((dir) => `${dir}/python3`)]
  }
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
  const systems = readFileSync('/proc/filesystems', 'utf8')
  if (!systems.includes('overlay') && !loadModule('overlay')) problems.push('the kernel has no overlay file system')
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers') && !existsSync('/sys/fs/cgroup/memory'))
    problems.push('cgroups are not mounted at /sys/fs/cgroup')
  return problems
}

/** Throws where this machine cannot run a node. */
export function requireMachine(): void {
  const problems = machineProblems()
  if (problems.length === 0) return
  const hint = isRoot()
    ? 'start only the control plane with --control-plane-only'
    : 'run it as root (sudo ./wherry ...), or start only the control plane with --control-plane-only'
  throw new CliError(problems.join('; '), { hint })
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
    const how = existsSync('/usr/bin/apt-get') ? `run as root: ${aptLine(packages)}` : 'install them with your system'
    throw new CliError(`missing on this machine: ${names}`, { hint: how })
  }
  progress.say(`  installing ${packages.join(' ')} ...`)
  await progress.step(`installed ${packages.length} package${packages.length === 1 ? '' : 's'}`, async () => {
    // One broken source must not keep us from the packages of the others.
    const update = await apt(['update'])
    const { ok, said } = await apt(['install', '--yes', '--no-install-recommends', ...packages])
    if (ok) return
    throw new CliError(`apt-get could not install ${packages.join(' ')}: ${said || update.said}`, {
      hint: `mend what it says, then try: ${aptLine(packages)}`
    })
  })
  const still = missing(needs).map((need) => need.what)
  if (still.length > 0) throw new CliError(`apt installed the packages, but these are not there: ${still.join(', ')}`)
}

export function aptLine(packages: readonly string[]): string {
  return `apt-get install ${packages.join(' ')}`
}

const APT_ENV = {
  DEBIAN_FRONTEND: 'noninteractive',
  // Ubuntu's needrestart would restart services of this machine, and ask.
  NEEDRESTART_SUSPEND: '1',
  // Debian's containerd package starts a containerd for the machine. Ours is private, and nobody asked for another.
  SYSTEMD_OFFLINE: '1',
  LC_ALL: 'C.UTF-8'
}

/** How long apt waits, in seconds, for another apt: fresh machines like to update themselves. */
const APT_WAIT_S = 120

async function apt(args: readonly string[]): Promise<{ ok: boolean; said: string }> {
  const options = ['--quiet=2', '--option', `DPkg::Lock::Timeout=${APT_WAIT_S}`]
  const child = spawn('apt-get', [...options, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...APT_ENV }
  })
  let said = ''
  // dpkg tells of its failures on standard output.
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ok = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('close', (code) => resolve(code === 0))
  })
  return { ok, said: failureOf(said) }
}

/** The lines of apt's output that tell what went wrong. */
export function failureOf(output: string): string {
  const lines = output.split('\n').map((line) => line.trim())
  const errors = lines.filter((line) => /^(E:|dpkg: error|.*: error:)/.test(line))
  const words = errors.length > 0 ? errors : lines.filter((line) => line !== '').slice(-3)
  return words.map((line) => line.replace(/^E: /, '')).join('; ')
}

function isExecutable(path: string): boolean {
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
