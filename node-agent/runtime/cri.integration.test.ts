import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { buildBusyboxImage } from '../../cli/busybox-image.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { runtimeSuite } from '../../test/contract/runtime-suite.ts'
import { describeWith, lacksForNode } from '../../test/requires.ts'
import { cgroupRootOf, ensureContainerd, loadImage, stateDirOf, stopContainerd } from './containerd.ts'
import { connectRuntime } from './cri.ts'
import { isRunning, mountPoints, type ProcessId } from './processes.ts'
import type { Runtime } from './runtime.ts'

const IMAGE = 'wherry.local/busybox:1'

describeWith(lacksForNode(), 'containerd, private to a folder', () => {
  const ports = systemPorts(silentLog)
  const dataDir = mkdtempSync(join(tmpdir(), 'wherry-cri-'))
  const config = { dataDir, clusterName: `wherry-t${process.pid}` }
  const archive = join(dataDir, 'busybox.tar')
  let runtime: Runtime

  beforeAll(async () => {
    buildBusyboxImage(archive)
    const { socket, started } = await ensureContainerd(config, ports)
    expect(started).toBe(true)
    runtime = connectRuntime(socket, ports)
  }, 60_000)

  afterAll(async () => {
    runtime?.close()
    await stopContainerd(config, ports)
    rmSync(dataDir, { recursive: true, force: true })
  }, 60_000)

  test('loads image archives, plain and gzipped, and completes short names', async () => {
    expect(await loadImage({ dataDir, file: archive })).toEqual([IMAGE])
    const { writeFileSync } = await import('node:fs')
    writeFileSync(`${archive}.gz`, gzipSync(readFileSync(archive)))
    expect(await loadImage({ dataDir, file: `${archive}.gz` })).toEqual([IMAGE])
    // The runtime hears of the image by an event.
    for (let tries = 0; tries < 100 && (await runtime.findImage(IMAGE)) === undefined; tries++) await pause(20)
    expect((await runtime.findImage(IMAGE))?.tags).toContain(IMAGE)
  })

  test('says which file is no image', async () => {
    await expect(loadImage({ dataDir, file: join(import.meta.dirname, 'cri.ts') })).rejects.toThrow()
  })

  describe('keeps the contract', () => {
    runtimeSuite(() => ({
      runtime,
      image: IMAGE,
      logs: join(dataDir, 'logs'),
      cgroupParent: `${cgroupRootOf(config)}/podtest`
    }))
  })

  test('is found again when it runs', async () => {
    expect((await ensureContainerd(config, ports)).started).toBe(false)
  })

  test('killed and started again: pods live on, and the same client goes on', async () => {
    const id = await runtime.runSandbox(hostSandbox(config, dataDir))
    const containerd = JSON.parse(readFileSync(join(dataDir, 'containerd', 'running.json'), 'utf8')) as ProcessId
    process.kill(containerd.pid, 'SIGKILL')
    // The kernel takes a moment, longer on a busy machine.
    while (isRunning(containerd)) await pause(5)
    expect((await ensureContainerd(config, ports)).started).toBe(true)
    for (let tries = 0; tries < 200; tries++) {
      const pods = await runtime.inspect('killed').catch(() => undefined)
      if (pods !== undefined) break
      await pause(20)
    }
    expect((await runtime.inspect('killed')).get('killed')?.sandboxes).toMatchObject([{ id, ready: true }])
  })

  test('leaves nothing on the machine when it is taken down, with pods running', async () => {
    await stopContainerd(config, ports)
    expect(existsSync(stateDirOf(config))).toBe(false)
    expect(mountPoints().filter((point) => point.startsWith(dataDir) || point.includes(config.clusterName))).toEqual([])
    expect(cgroupsNamed(config.clusterName)).toEqual([])
    expect(processesNaming(stateDirOf(config))).toEqual([])
  })
})

function hostSandbox(config: { dataDir: string; clusterName: string }, dataDir: string) {
  return {
    name: 'killed',
    namespace: 'ns',
    podUid: 'killed',
    attempt: 0,
    hostname: '',
    logDirectory: join(dataDir, 'logs'),
    dns: { servers: [], searches: [], options: [] },
    portMappings: [],
    labels: { 'io.kubernetes.pod.uid': 'killed' },
    annotations: {},
    cgroupParent: `${cgroupRootOf(config)}/podkilled`,
    namespaces: { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' },
    privileged: false,
    supplementalGroups: [],
    seccomp: { type: 'RuntimeDefault' },
    sysctls: {}
  } as const
}

function cgroupsNamed(name: string): string[] {
  const root = '/sys/fs/cgroup'
  const roots = [root, ...readdirSync(root).map((entry) => join(root, entry))]
  return roots.map((one) => join(one, name)).filter((path) => existsSync(path))
}

function processesNaming(text: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
      } catch {
        return false
      }
    })
}
