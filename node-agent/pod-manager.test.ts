import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { configMaps, pods } from '../core/kinds/refs.ts'
import type { Pod } from '../core/kinds/types.ts'
import { startTestNode, type TestNode } from '../test/node-fixture.ts'

const container = (more: object = {}) => ({
  containers: [{ name: 'c', image: 'i:1', imagePullPolicy: 'IfNotPresent', ...more }]
})
const running = (pod: Pod) => pod.status?.phase === 'Running'
const restarts = (count: number) => (pod: Pod) =>
  running(pod) &&
  pod.status?.containerStatuses?.[0]?.restartCount === count &&
  pod.status.containerStatuses[0].state?.running !== undefined

describe('pods on a node', () => {
  let node: TestNode
  beforeEach(async () => {
    node = await startTestNode()
  })
  afterEach(async () => {
    await node.close()
  })

  test('run, are reported, and are removed when they are deleted', async () => {
    await node.create('a', {})
    const pod = await node.until('a', running)
    expect(pod.status).toMatchObject({ hostIP: '192.0.2.1', podIP: expect.stringMatching(/^10\./) })
    expect(node.events.map((event) => event.reason)).toEqual(['Pulled', 'Created', 'Started'])
    await node.client.delete(pods, { namespace: 'default', name: 'a' })
    await node.gone('a')
    expect(node.runtime.calls).toEqual([
      'runSandbox a',
      'create c',
      'start c',
      'stop c 30',
      expect.stringMatching('stopSandbox')
    ])
    for (let tries = 0; (await node.runtime.inspect()).size > 0 && tries < 100; tries++) await pause(10)
    expect((await node.runtime.inspect()).size).toBe(0)
    expect(readdirSync(join(node.folder, 'pods'))).toEqual([])
  })

  test('a container that ends is replaced at once, and then after its back-off', async () => {
    await node.create('a', {})
    const pod = await node.until('a', running)
    const began = Date.now()
    node.runtime.end(pod.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '', 1)
    const second = await node.until('a', restarts(1))
    expect(Date.now() - began).toBeLessThan(1000)
    node.runtime.end(second.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '', 1)
    const waiting = await node.until('a', (one) => one.status?.containerStatuses?.[0]?.state?.waiting !== undefined)
    const message = `back-off 10s restarting failed container=c pod=a_default(${pod.metadata.uid})`
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'CrashLoopBackOff', message })
  })

  test('a new agent takes over: nothing is started twice, nothing changes', async () => {
    await node.create('a', {})
    const before = await node.until('a', running)
    const calls = node.runtime.calls.length
    node.restart()
    await pause(200)
    expect(node.runtime.calls.length).toBe(calls)
    expect(await node.get('a')).toEqual(before)
  })

  test('a pod that was deleted while no agent was there is ended by the next', async () => {
    await node.create('a', {})
    await node.until('a', running)
    node.manager().close()
    await node.client.delete(pods, { namespace: 'default', name: 'a' }, { gracePeriodSeconds: 0 })
    await node.gone('a')
    node.restart()
    for (let tries = 0; (await node.runtime.inspect()).size > 0 && tries < 200; tries++) await pause(10)
    expect((await node.runtime.inspect()).size).toBe(0)
  })

  test('a container that needs an object waits for it, and starts when it comes', async () => {
    await node.create('a', container({ envFrom: [{ configMapRef: { name: 'later' } }] }))
    const waiting = await node.until(
      'a',
      (pod) => pod.status?.containerStatuses?.[0]?.state?.waiting?.message !== undefined
    )
    expect(waiting.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'configmap "later" not found'
    })
    await node.client.create(configMaps, { metadata: { name: 'later', namespace: 'default' }, data: { WORD: 'hi' } })
    const pod = await node.until('a', running)
    const id = pod.status?.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? ''
    expect(node.runtime.configOf(id)?.env).toContainEqual({ name: 'WORD', value: 'hi' })
  })

  test('a volume that cannot be set up is told and tried again', async () => {
    await node.create('a', { volumes: [{ name: 'v', configMap: { name: 'later' } }] })
    const message = 'MountVolume.SetUp failed for volume "v" : configmap "later" not found'
    for (let tries = 0; node.events.length === 0 && tries < 200; tries++) await pause(10)
    expect(node.events[0]).toEqual({ type: 'Warning', reason: 'FailedMount', message })
    await node.client.create(configMaps, { metadata: { name: 'later', namespace: 'default' }, data: { k: 'one' } })
    await node.until('a', running)
    const uid = (await node.get('a'))?.metadata.uid ?? ''
    const file = join(node.folder, 'volatile', uid, 'v', 'k')
    expect(readFileSync(file, 'utf8')).toBe('one')
    await node.client.patch(
      configMaps,
      { namespace: 'default', name: 'later' },
      { type: 'merge', body: { data: { k: 'two' } } }
    )
    for (let tries = 0; readFileSync(file, 'utf8') !== 'two' && tries < 200; tries++) await pause(10)
    expect(readFileSync(file, 'utf8')).toBe('two')
  })

  test('images that cannot be had', async () => {
    await node.create('never', container({ image: 'absent:1', imagePullPolicy: 'Never' }))
    await node.create('pull', container({ image: 'absent:1' }))
    const waitingFor = (reason: string) => (pod: Pod) =>
      pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === reason
    await node.until('never', waitingFor('ErrImageNeverPull'))
    await node.until('pull', waitingFor('ErrImagePull'))
    await node.until('pull', waitingFor('ImagePullBackOff'))
    expect(node.events).toContainEqual({
      type: 'Normal',
      reason: 'BackOff',
      message: 'Back-off pulling image "absent:1"'
    })
  })

  test('what the node cannot carry is refused', async () => {
    await node.create('a', container({ resources: { requests: { cpu: '1500m' } } }))
    await node.until('a', running)
    await node.create('b', container({ resources: { requests: { cpu: '1' } } }))
    const refused = await node.until('b', (pod) => pod.status?.phase === 'Failed')
    expect(refused.status).toMatchObject({
      reason: 'OutOfcpu',
      message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 1500, capacity: 2000"
    })
  })

  test('a job’s pod ends well, and keeps its address and log folder until it is deleted', async () => {
    await node.create('a', { restartPolicy: 'Never', ...container({ command: ['sh', '-c', 'exit 0'] }) })
    const done = await node.until('a', (pod) => pod.status?.phase === 'Succeeded')
    expect(done.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' })
    expect(existsSync(join(node.folder, 'logs', `default_a_${done.metadata.uid}`))).toBe(true)
    await node.client.delete(pods, { namespace: 'default', name: 'a' })
    await node.gone('a')
    for (let tries = 0; readdirSync(join(node.folder, 'logs')).length > 0 && tries < 100; tries++) await pause(10)
    expect(readdirSync(join(node.folder, 'logs'))).toEqual([])
  })

  test('a liveness probe that fails replaces the container', async () => {
    let healthy = true
    node.runtime.onExec = () => ({ exitCode: healthy ? 0 : 1, stdout: 'sick', stderr: '' })
    const livenessProbe = { exec: { command: ['check'] }, periodSeconds: 1, failureThreshold: 1 }
    await node.create('a', container({ livenessProbe }))
    await node.until('a', running)
    healthy = false
    await node.until('a', (pod) => (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0)
    const told = node.events.filter((event) => event.reason === 'Unhealthy' || event.reason === 'Killing')
    expect(told.slice(0, 2)).toEqual([
      { type: 'Warning', reason: 'Unhealthy', message: 'Liveness probe failed: sick' },
      { type: 'Normal', reason: 'Killing', message: 'Container c failed liveness probe, will be restarted' }
    ])
  })
})
