/**
 * The node's private containerd: started when it is not running, found again when it is, and taken down with all that
 * it ran. It lives apart from the agent and from `wherry up`, so that containers outlive both.
 */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGunzip } from 'node:zlib'
import { type Ports, sleep } from '../../core/ports.ts'
import { type ContainerdConfig, pathsOf } from '../config.ts'
import { fullImageName } from '../images/names.ts'
import { PAUSE_IMAGE, pauseArchive } from './pause-image.ts'
import {
  cgroupIsEmpty,
  endProcess,
  isRunning,
  type ProcessId,
  processesWith,
  processId,
  removeCgroup,
  stayingAlive,
  unmountBelow
} from './processes.ts'

const run = promisify(execFile)

const START_MS = 15_000
/** How often the private containerd is checked; its end also shows by its event stream breaking. */
const CHECK_MS = 500
const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** The cap_sys_resource bit of a process's effective capabilities (linux/capability.h). */
const CAP_SYS_RESOURCE = 24n

/** What is remembered of a started containerd (DIR/node/containerd/running.json). */
interface Running extends ProcessId {
  readonly socket: string
}

/** The folder of containerd's volatile state: short, because a socket's path has at most 107 bytes. */
export function stateDirOf(config: ContainerdConfig): string {
  return `/run/${config.clusterName}-${nodeHash(config)}`
}

/** The parent of all cgroups of this node's pods. */
export function cgroupRootOf(config: ContainerdConfig): string {
  return `/${config.clusterName}/${nodeHash(config)}`
}

function nodeHash(config: ContainerdConfig): string {
  return createHash('sha256').update(resolve(config.dataDir)).digest('hex').slice(0, 8)
}

/**
 * Makes sure that a containerd of this folder answers, with the pause image in it. `started`: it was not running.
 * Throws when it does not answer within 15 s; its own words are in DIR/node/containerd/containerd.log.
 */
export function ensureContainerd(config: ContainerdConfig, ports: Ports): Promise<Ensured> {
  return stayingAlive(() => ensure(config, ports))
}

export interface Ensured {
  readonly socket: string
  readonly started: boolean
}

async function ensure(config: ContainerdConfig, ports: Ports): Promise<Ensured> {
  if (config.containerdSocket !== undefined) return { socket: config.containerdSocket, started: false }
  const folder = pathsOf(config.dataDir).containerd
  const known = await readRunning(folder)
  if (known !== undefined && isRunning(known) && (await answers(known.socket))) {
    await importPause(folder, known.socket)
    return { socket: known.socket, started: false }
  }
  if (known !== undefined) await endProcess(known, 0, ports)
  const state = stateDirOf(config)
  const socket = join(state, 'containerd.sock')
  await mkdir(folder, { recursive: true })
  await mkdir(state, { recursive: true })
  await mkdir(pathsOf(config.dataDir).cniConf, { recursive: true })
  rmSync(socket, { force: true })
  const file = join(folder, 'config.toml')
  await writeFile(file, containerdToml(config))
  const id = startDetached(file, join(folder, 'containerd.log'))
  await writeFile(join(folder, 'running.json'), JSON.stringify({ ...id, socket }))
  await untilAnswering({ socket, id, folder, ports })
  await importPause(folder, socket)
  return { socket, started: true }
}

/** Whether the process that `ensureContainerd` started is alive. */
export async function containerdIsAlive(config: ContainerdConfig): Promise<boolean> {
  if (config.containerdSocket !== undefined) return true
  const known = await readRunning(pathsOf(config.dataDir).containerd)
  return known !== undefined && isRunning(known)
}

/** Starts containerd again whenever it has died. Pods outlive it: their shims are processes of their own. */
export async function keepContainerd(config: ContainerdConfig, ports: Ports): Promise<never> {
  for (;;) {
    await sleep(ports.clock, CHECK_MS)
    if (await containerdIsAlive(config)) continue
    ports.log.warn({}, 'containerd has ended and is started again')
    await ensureContainerd(config, ports).catch((error: unknown) => {
      ports.log.error({ error: String(error) }, 'containerd could not be started')
    })
  }
}

async function readRunning(folder: string): Promise<Running | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'running.json'), 'utf8')) as Running
  } catch {
    return undefined
  }
}

function startDetached(file: string, logFile: string): ProcessId {
  const log = openSync(logFile, 'a')
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:${PROGRAM_PATH}` }
  const child = spawn('containerd', ['--config', file], { detached: true, stdio: ['ignore', log, log], env })
  closeSync(log)
  child.on('error', () => {})
  child.unref()
  const id = child.pid === undefined ? undefined : processId(child.pid)
  if (id === undefined) throw new Error('containerd could not be started: is the package containerd installed?')
  return id
}

async function untilAnswering(wait: { socket: string; id: ProcessId; folder: string; ports: Ports }): Promise<void> {
  const until = wait.ports.clock.now() + START_MS
  while (!(await answers(wait.socket))) {
    const log = join(wait.folder, 'containerd.log')
    if (!isRunning(wait.id)) throw new Error(`containerd ended at its start: see ${log}`)
    if (wait.ports.clock.now() > until) throw new Error(`containerd does not answer: see ${log}`)
    await sleep(wait.ports.clock, 10)
  }
}

function answers(socket: string): Promise<boolean> {
  return new Promise((done) => {
    const connection = connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      done(true)
    })
    connection.once('error', () => done(false))
  })
}

function containerdToml(config: ContainerdConfig): string {
  const { containerd, cniConf } = pathsOf(resolve(config.dataDir))
  const state = stateDirOf(config)
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = "${containerd}/root"
state = "${state}/state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"
]
[grpc]
  address = "${state}/containerd.sock"
[ttrpc]
  address = "${state}/containerd.sock.ttrpc"
[debug]
  level = "warn"
[plugins."io.containerd.internal.v1.opt"]
  path = "${containerd}/opt"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = ${!hasAppArmor()}
  restrict_oom_score_adj = ${!maySetAnyOomScore()}
  netns_mounts_under_state_dir = true
  tolerate_missing_hugetlb_controller = true
  [${cri}.containerd]
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "${state}/runc"
  [${cri}.cni]
    bin_dir = "${existsSync('/usr/lib/cni') ? '/usr/lib/cni' : '/opt/cni/bin'}"
    conf_dir = "${cniConf}"
  [${cri}.registry]
    config_path = "${containerd}/certs.d"
`
}

function hasAppArmor(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y')
  } catch {
    return false
  }
}

function maySetAnyOomScore(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  return ((effective >> CAP_SYS_RESOURCE) & 1n) === 1n
}

async function importPause(folder: string, socket: string): Promise<void> {
  const marker = join(folder, 'pause.imported')
  if (existsSync(marker)) return
  const archive = join(folder, 'pause.tar')
  await writeFile(archive, pauseArchive(process.arch))
  await ctr(socket, ['images', 'import', archive])
  await rm(archive)
  await writeFile(marker, PAUSE_IMAGE)
}

async function ctr(socket: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run('ctr', ['--address', socket, '--namespace', 'k8s.io', ...args], { maxBuffer: 16 << 20 })
  return stdout
}

/**
 * Loads a docker-archive or OCI archive, plain or gzipped, into the node's containerd, and returns the names of its
 * images. `dataDir`: the node's folder.
 */
export async function loadImage(options: {
  readonly dataDir: string
  readonly file: string
  readonly socket?: string
}): Promise<string[]> {
  const socket = options.socket ?? (await readRunning(pathsOf(options.dataDir).containerd))?.socket
  if (socket === undefined) throw new Error(`no containerd runs on ${options.dataDir}`)
  const output = await importArchive(socket, options.file)
  const names = [...output.matchAll(/^unpacking (\S+) \(/gm)].map((match) => match[1] ?? '')
  const loaded: string[] = []
  for (const name of names) {
    const full = fullImageName(name)
    loaded.push(full)
    if (full === name) continue
    await ctr(socket, ['images', 'tag', '--force', name, full])
    await ctr(socket, ['images', 'rm', name])
  }
  return loaded
}

async function importArchive(socket: string, file: string): Promise<string> {
  const handle = await open(file)
  const magic = Buffer.alloc(2)
  await handle.read(magic, 0, 2, 0)
  await handle.close()
  const args = ['--address', socket, '--namespace', 'k8s.io', 'images', 'import']
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) {
    return (await run('ctr', [...args, file], { maxBuffer: 16 << 20 })).stdout
  }
  const child = execFile('ctr', [...args, '-'], { maxBuffer: 16 << 20 })
  const output = new Promise<string>((done, failed) => {
    let text = ''
    let errors = ''
    child.stdout?.on('data', (chunk: string) => {
      text += chunk
    })
    child.stderr?.on('data', (chunk: string) => {
      errors += chunk
    })
    child.once('error', failed)
    child.once('close', (code) => (code === 0 ? done(text) : failed(new Error(errors.trim()))))
  })
  if (child.stdin === null) throw new Error('ctr has no standard input')
  const [text] = await Promise.all([output, pipeline(createReadStream(file), createGunzip(), child.stdin)])
  return text
}

/** Ends every pod, containerd and all that it left on the machine: processes, mounts, namespaces, cgroups. */
export function stopContainerd(config: ContainerdConfig, ports: Ports): Promise<void> {
  return stayingAlive(() => stop(config, ports))
}

async function stop(config: ContainerdConfig, ports: Ports): Promise<void> {
  const folder = pathsOf(config.dataDir).containerd
  const state = stateDirOf(config)
  const known = await readRunning(folder)
  if (known !== undefined || existsSync(state)) {
    await removePods(config, ports).catch((error: unknown) => {
      ports.log.warn({ error: String(error) }, 'pods could not be stopped in order; ending them by force')
    })
  }
  const running = await readRunning(folder)
  if (running !== undefined) await endProcess(running, 5_000, ports)
  const shims = processesWith(['-address', join(state, 'containerd.sock')])
  await Promise.all(shims.map((shim) => endProcess(shim, 0, ports)))
  await removeCgroup(cgroupRootOf(config), { kill: true, ports })
  // The parent goes with the last node of this cluster on the machine.
  const parent = dirname(cgroupRootOf(config))
  if (cgroupIsEmpty(parent)) await removeCgroup(parent, { kill: false, ports })
  await unmountBelow(state)
  await unmountBelow(resolve(config.dataDir))
  await rm(state, { recursive: true, force: true })
  await rm(join(folder, 'running.json'), { force: true })
}

async function removePods(config: ContainerdConfig, ports: Ports): Promise<void> {
  const { socket } = await ensureContainerd(config, ports)
  const { connectRuntime } = await import('./cri.ts')
  const runtime = connectRuntime(socket, ports)
  try {
    const pods = await runtime.inspect()
    const sandboxes = [...pods.values()].flatMap((pod) => pod.sandboxes)
    await Promise.all(
      sandboxes.map(async ({ id }) => {
        await runtime.stopSandbox(id)
        await runtime.removeSandbox(id)
      })
    )
  } finally {
    runtime.close()
  }
}
