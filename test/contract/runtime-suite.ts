/** What every container runtime behind the agent does: run on the fake and on a real containerd. */
import { setTimeout as pause } from 'node:timers/promises'
import type { ContainerConfig, Runtime, RuntimeContainer, SandboxConfig } from '../../node-agent/runtime/runtime.ts'

export interface RuntimeUnderTest {
  readonly runtime: Runtime
  /** An image with a shell, present. */
  readonly image: string
  readonly logs: string
  readonly cgroupParent: string
}

let pods = 0

export function runtimeSuite(get: () => RuntimeUnderTest): void {
  const sandboxConfig = (): SandboxConfig => ({
    name: `p${++pods}`,
    namespace: 'ns',
    podUid: `uid-${pods}`,
    attempt: 0,
    hostname: '',
    logDirectory: `${get().logs}/p${pods}`,
    dns: { servers: [], searches: [], options: [] },
    portMappings: [],
    labels: { 'io.kubernetes.pod.uid': `uid-${pods}` },
    annotations: {},
    cgroupParent: get().cgroupParent,
    namespaces: { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' },
    privileged: false,
    supplementalGroups: [],
    seccomp: { type: 'RuntimeDefault' },
    sysctls: {}
  })
  const containerConfig = (
    sandbox: SandboxConfig,
    command: readonly string[],
    more: Partial<ContainerConfig> = {}
  ): ContainerConfig => ({
    name: 'c',
    attempt: 0,
    image: get().image,
    command,
    args: [],
    workingDir: '',
    env: [{ name: 'WORD', value: 'hello' }],
    mounts: [],
    labels: { 'io.kubernetes.pod.uid': sandbox.podUid, 'io.kubernetes.container.name': 'c' },
    annotations: { note: 'kept' },
    logPath: 'c.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: { cpuQuota: 0, cpuPeriod: 0, cpuShares: 2, memoryLimit: 0, oomScoreAdj: 1000 },
    security: {
      namespaces: sandbox.namespaces,
      privileged: false,
      readOnlyRootFilesystem: false,
      supplementalGroups: [],
      noNewPrivileges: false,
      addCapabilities: [],
      dropCapabilities: [],
      seccomp: { type: 'Unconfined' },
      unmaskedProc: false
    },
    ...more
  })
  const podOf = async (uid: string) => (await get().runtime.inspect(uid)).get(uid)
  const containersOf = async (uid: string): Promise<readonly RuntimeContainer[]> => (await podOf(uid))?.containers ?? []

  /** The status may follow the event by a moment: asked again until it shows. */
  const untilEnded = async (uid: string, id: string): Promise<RuntimeContainer> => {
    for (let tries = 0; tries < 400; tries++) {
      const found = (await containersOf(uid)).find((one) => one.id === id)
      if (found?.state === 'exited') return found
      await pause(10)
    }
    throw new Error(`container ${id} has not ended`)
  }
  const started = async (command: readonly string[], more: Partial<ContainerConfig> = {}) => {
    const { runtime } = get()
    const sandbox = sandboxConfig()
    const sandboxId = await runtime.runSandbox(sandbox)
    const id = await runtime.createContainer(sandboxId, containerConfig(sandbox, command, more), sandbox)
    await runtime.startContainer(id)
    return { sandbox, sandboxId, id, uid: sandbox.podUid }
  }
  const remove = async (sandboxId: string) => {
    await get().runtime.stopSandbox(sandboxId)
    await get().runtime.removeSandbox(sandboxId)
  }

  test('a sandbox is ready, then stopped, then gone, and going twice is no error', async () => {
    const { runtime } = get()
    const config = sandboxConfig()
    const id = await runtime.runSandbox(config)
    expect((await podOf(config.podUid))?.sandboxes).toMatchObject([
      { id, ready: true, podUid: config.podUid, name: config.name, namespace: 'ns', attempt: 0 }
    ])
    await runtime.stopSandbox(id)
    expect((await podOf(config.podUid))?.sandboxes).toMatchObject([{ id, ready: false, ips: [] }])
    await runtime.removeSandbox(id)
    expect(await podOf(config.podUid)).toBeUndefined()
    await remove(id)
  })

  test('a container is created, runs and is stopped, and keeps what was written on it', async () => {
    const { runtime } = get()
    const sandbox = sandboxConfig()
    const sandboxId = await runtime.runSandbox(sandbox)
    const id = await runtime.createContainer(sandboxId, containerConfig(sandbox, ['sleep', '1000']), sandbox)
    const [made] = await containersOf(sandbox.podUid)
    expect(made).toMatchObject({ id, sandboxId, state: 'created', name: 'c', attempt: 0, startedAt: 0 })
    expect(made?.annotations.note).toBe('kept')
    expect(made?.logPath).toBe(`${sandbox.logDirectory}/c.log`)
    await runtime.startContainer(id)
    const [running] = await containersOf(sandbox.podUid)
    expect(running?.state).toBe('running')
    expect(running?.startedAt).toBeGreaterThan(0)
    await runtime.stopContainer(id, 0)
    const ended = await untilEnded(sandbox.podUid, id)
    expect(ended).toMatchObject({ exitCode: 137, reason: 'Error' })
    expect(ended.finishedAt).toBeGreaterThanOrEqual(ended.startedAt)
    await runtime.removeContainer(id)
    expect(await containersOf(sandbox.podUid)).toEqual([])
    await remove(sandboxId)
  })

  test.each([0, 7])('exit code %i is told by an event and kept', async (code) => {
    const { runtime } = get()
    const ended: string[] = []
    const stop = runtime.onEvent((event) => ended.push(event.id))
    const { id, uid, sandboxId } = await started(['sh', '-c', `exit ${code}`])
    const status = await untilEnded(uid, id)
    expect(status).toMatchObject({ exitCode: code, reason: code === 0 ? 'Completed' : 'Error' })
    for (let tries = 0; tries < 200 && !ended.includes(id); tries++) await pause(10)
    expect(ended).toContain(id)
    stop()
    await remove(sandboxId)
  })

  test('attempts are listed newest first, and a number is used once', async () => {
    const { runtime } = get()
    const { id, uid, sandboxId, sandbox } = await started(['sh', '-c', 'exit 1'])
    await untilEnded(uid, id)
    const again = containerConfig(sandbox, ['sleep', '1000'])
    await expect(runtime.createContainer(sandboxId, again, sandbox)).rejects.toThrow('reserved')
    await runtime.createContainer(sandboxId, { ...again, attempt: 1 }, sandbox)
    expect((await containersOf(uid)).map((one) => one.attempt)).toEqual([1, 0])
    await remove(sandboxId)
  })

  test('a command that does not exist fails to start and leaves an end behind', async () => {
    const { runtime } = get()
    const sandbox = sandboxConfig()
    const sandboxId = await runtime.runSandbox(sandbox)
    const id = await runtime.createContainer(sandboxId, containerConfig(sandbox, ['/missing']), sandbox)
    await expect(runtime.startContainer(id)).rejects.toThrow('no such file or directory')
    expect(await untilEnded(sandbox.podUid, id)).toMatchObject({ exitCode: 128, reason: 'StartError' })
    await remove(sandboxId)
  })

  test('exec answers with the output and exit code of the command', async () => {
    const { runtime } = get()
    const { id, sandboxId } = await started(['sleep', '1000'])
    const answer = await runtime.exec(id, ['sh', '-c', 'echo hi; exit 3'], 5)
    expect(answer).toEqual({ exitCode: 3, stdout: 'hi\n', stderr: '' })
    await remove(sandboxId)
  })

  test('a sandbox that is stopped takes its containers with it', async () => {
    const { runtime } = get()
    const { id, uid, sandboxId } = await started(['sleep', '1000'])
    await runtime.stopSandbox(sandboxId)
    expect((await untilEnded(uid, id)).exitCode).toBe(137)
    await runtime.removeSandbox(sandboxId)
    expect(await podOf(uid)).toBeUndefined()
  })

  test('images: found, absent, and a pull that fails', async () => {
    const { runtime, image } = get()
    expect((await runtime.findImage(image))?.tags).toContain(image)
    expect(await runtime.findImage('127.0.0.1:1/absent:1')).toBeUndefined()
    await expect(runtime.pullImage('127.0.0.1:1/absent:1', undefined)).rejects.toThrow('failed to pull')
    expect((await runtime.listImages()).some((one) => one.tags.includes(image))).toBe(true)
  })

  test('what does not exist is NotFound', async () => {
    await expect(get().runtime.startContainer('nothing')).rejects.toMatchObject({ kind: 'NotFound' })
    await get().runtime.stopContainer('nothing', 0)
    await get().runtime.removeContainer('nothing')
  })
}
