import type { Event, Node, Pod, PodStatus } from '../../core/kinds/types.ts'
import { describeWith, lacksForNode } from '../requires.ts'
import { eventually, IMAGE, TestCluster } from './cluster.ts'
import { ROWS, type Row, STAYS, sh } from './node-pods-table.ts'

// Pods on real containers look as they do on a kubelet of Kubernetes 1.35.

interface List<T> {
  readonly items: readonly T[]
}

const OBJECTS = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config' }, data: { key: 'value' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'secret' }, stringData: { key: 'hidden' } }
]

const podOf = (name: string, spec: Row['spec'], metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: 'test' }, ...metadata },
  spec
})

const conditionsOf = (status: PodStatus | undefined) =>
  Object.fromEntries(
    (status?.conditions ?? []).map(({ type, status: is, reason, message }) => [
      type,
      [is, reason === undefined ? '' : ` ${reason}`, message === undefined ? '' : `: ${message}`].join('')
    ])
  )

const textOf = ({ type, reason, message, involvedObject }: Event) =>
  `${type} ${reason} ${involvedObject.fieldPath ?? ''}: ${message}`

describeWith(lacksForNode(), 'pods on a node', () => {
  let cluster: TestCluster
  let pods = new Map<string, Pod>()
  const events = async (name: string) => {
    const { items } = await cluster.json<List<Event>>('get', 'events')
    return items.filter((event) => event.involvedObject.name === name).map(textOf)
  }
  const get = async (name: string) => await cluster.json<Pod>('get', 'pod', name)
  const create = async (...objects: object[]) => {
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  }

  beforeAll(async () => {
    cluster = await TestCluster.start()
    await cluster.loadImage()
    const [node] = (await cluster.json<List<Node>>('get', 'nodes')).items
    const nodeName = node?.metadata.name
    await create(
      ...OBJECTS,
      ...ROWS.map(({ name, spec, bound }) => podOf(name, bound === true ? { ...spec, nodeName } : spec))
    )
  }, 60_000)
  afterAll(() => cluster.stop(), 60_000)

  describe('seen as Kubernetes shows them', () => {
    const seen = new Map<string, Pod>()
    beforeAll(async () => {
      await eventually(
        'every pod as its row wants it',
        async () => {
          const { items } = await cluster.json<List<Pod>>('get', 'pods')
          pods = new Map(items.map((pod) => [pod.metadata.name ?? '', pod]))
          for (const { name, until } of ROWS) {
            const pod = pods.get(name)
            if (pod !== undefined && !seen.has(name) && until(pod)) seen.set(name, pod)
          }
          return seen.size === ROWS.length
        },
        45_000
      ).catch(() => {})
    }, 60_000)

    test.each(ROWS.map((row) => [row.name, row] as const))('%s', async (name, row) => {
      const pod = seen.get(name)
      if (pod === undefined) throw new Error(`never as wanted: ${JSON.stringify(pods.get(name)?.status)}`)
      expect(pod.status).toMatchObject(row.status)
      expect(conditionsOf(pod.status)).toMatchObject(row.conditions ?? {})
      for (const beginning of row.events ?? []) {
        await eventually(
          `the event ${beginning}`,
          async () => (await events(name)).some((text) => text.startsWith(beginning)),
          10_000
        )
      }
      if (row.log !== undefined) expect(await cluster.k('logs', name)).toBe(row.log)
    })
  })

  test('a pod that ends at once when asked to is Succeeded, one that does not is killed after its grace', async () => {
    const finalizers = ['example.com/keep']
    const deaf = 'trap "" TERM; while true; do sleep 1; done'
    await create(
      podOf('polite', { containers: [sh(STAYS)] }, { finalizers }),
      podOf('deaf', { terminationGracePeriodSeconds: 2, containers: [sh(deaf)] }, { finalizers })
    )
    await cluster.k('wait', '--for=condition=Ready', 'pod/polite', 'pod/deaf')
    const began = Date.now()
    await cluster.k('delete', 'pod', 'polite', 'deaf', '--wait=false')
    const gone = (name: string) =>
      eventually(`${name} ends`, async () => {
        const pod = await get(name)
        return ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '') && pod
      })
    expect((await gone('polite')).status).toMatchObject({
      phase: 'Succeeded',
      containerStatuses: [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }]
    })
    expect((await gone('deaf')).status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { exitCode: 137, reason: 'Error' } } }]
    })
    expect(Date.now() - began).toBeGreaterThan(1900)
    const pod = await eventually('the grace is over', async () => {
      const now = await get('deaf')
      return now.metadata.deletionGracePeriodSeconds === 0 && now
    })
    expect(pod.metadata.deletionTimestamp).toBeDefined()
    await cluster.k('patch', 'pod', 'polite', 'deaf', '--type=merge', '-p', '{"metadata":{"finalizers":null}}')
  }, 40_000)

  test('an ephemeral container sees its target, and ends as it ends', async () => {
    await create(podOf('host', { containers: [sh(STAYS)] }))
    await cluster.k('wait', '--for=condition=Ready', 'pod/host')
    const pod = await get('host')
    const spec = {
      ...pod.spec,
      ephemeralContainers: [{ ...sh('ps; exit 3', { name: 'e' }), targetContainerName: 'c' }]
    }
    const path = '/api/v1/namespaces/default/pods/host/ephemeralcontainers'
    const outcome = await cluster.kubectl(['replace', '--raw', path, '-f', '-'], JSON.stringify({ ...pod, spec }))
    expect(outcome.stderr).toBe('')
    const ended = await eventually('it ends', async () => {
      const now = await get('host')
      return now.status?.ephemeralContainerStatuses?.[0]?.state?.terminated !== undefined && now
    })
    expect(ended.status?.ephemeralContainerStatuses).toMatchObject([
      { name: 'e', restartCount: 0, ready: false, state: { terminated: { exitCode: 3, reason: 'Error' } } }
    ])
    expect(ended.status?.phase).toBe('Running')
    expect(await cluster.k('logs', 'host', '-c', 'e')).toContain('sleep 1000')
    expect(await events('host')).toContain('Normal Started spec.ephemeralContainers{e}: Container started')
  }, 40_000)

  test('a container whose image is changed is replaced, and a configMap changes where it is mounted', async () => {
    const live = { name: 'live', configMap: { name: 'config' } }
    const reads = 'trap "exit 0" TERM; while true; do cat /live/key; echo; sleep 0.2; done'
    await create(
      podOf('changes', { containers: [sh(STAYS)] }),
      podOf('reads', {
        containers: [sh(reads, { volumeMounts: [{ name: 'live', mountPath: '/live' }] })],
        volumes: [live]
      })
    )
    await cluster.k('wait', '--for=condition=Ready', 'pod/changes', 'pod/reads')
    await cluster.k('set', 'image', 'pod/changes', `c=${IMAGE.split(':')[0]}:other`)
    await cluster.k('patch', 'configmap', 'config', '-p', '{"data":{"key":"later"}}')
    const pod = await eventually('it is replaced', async () => {
      const now = await get('changes')
      return now.status?.containerStatuses?.[0]?.state?.waiting !== undefined && now
    })
    expect(pod.status?.containerStatuses).toMatchObject([{ lastState: { terminated: { exitCode: 0 } } }])
    expect(await events('changes')).toContain(
      'Normal Killing spec.containers{c}: Container c definition changed, will be restarted'
    )
    await eventually('the new value', async () => (await cluster.k('logs', 'reads', '--tail=1')).endsWith('later\n'))
  }, 40_000)
})
