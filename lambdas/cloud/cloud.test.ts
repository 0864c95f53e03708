import { configMaps, namespaces, secrets } from '../../core/kinds/refs.ts'
import type { Backend } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { cloudSite, memoryParameters } from '../../test/cloud-fixture.ts'
import { type Call, intercept, shared } from '../../test/contract/store-faults.ts'
import { fakePorts } from '../../test/fake-ports.ts'
import { BELL } from '../api/bootstrap.ts'
import { cloudConfig } from './config.ts'
import { openCloudKeys } from './keys.ts'

const ROLE = {
  kind: 'ClusterRole',
  apiVersion: 'rbac.authorization.k8s.io/v1',
  metadata: { name: 'readers' },
  rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }]
}
const BINDING = {
  kind: 'ClusterRoleBinding',
  apiVersion: 'rbac.authorization.k8s.io/v1',
  metadata: { name: 'readers' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'readers' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }]
}

/** Counts the backend's calls by their name. */
function counted(inner: Backend): { backend: Backend; calls: string[] } {
  const calls: string[] = []
  const backend = intercept(inner, async ({ method, args, proceed }: Call) => {
    calls.push(`${method} ${String(args[0])}`)
    return await proceed()
  })
  return { backend, calls }
}

async function ask(cloud: Awaited<ReturnType<ReturnType<typeof cloudSite>['open']>>, path: string, body?: object) {
  const { api } = cloud
  const response = await api.handle({
    method: body === undefined ? 'GET' : 'POST',
    path,
    query: new URLSearchParams(),
    headers: {},
    user: { username: 'admin', groups: ['system:masters'] },
    ...(body === undefined ? {} : { body: { value: structuredClone(body) } })
  })
  return response.status
}

describe('the control plane of one function', () => {
  test('begins with what a cluster starts with, which later ones find with one read', async () => {
    const site = cloudSite()
    const first = await site.open()
    expect((await first.client('root', 'system:masters').list(namespaces)).items).toHaveLength(4)
    const { backend, calls } = counted(site.backend)
    await site.open({ backend })
    expect(calls.filter((call) => call.startsWith('commit') || call.startsWith('reserve'))).toEqual([])
    expect(calls.filter((call) => call.includes('flowschemas'))).toEqual([])
    await site.close()
  })

  test('several that start at once agree', async () => {
    const site = cloudSite()
    const clouds = await Promise.all([site.open(), site.open(), site.open()])
    const lists = await Promise.all(clouds.map((cloud) => cloud.client('root', 'system:masters').list(namespaces)))
    expect(new Set(lists.map((list) => JSON.stringify(list))).size).toBe(1)
    expect(new Set(clouds.map((cloud) => cloud.keys.authority)).size).toBe(1)
    await site.close()
  })

  test('a grant by another function counts at once, and one taken away after half a second', async () => {
    const site = cloudSite()
    const ports = fakePorts()
    const [here, there] = [await site.open({ ports }), await site.open({ ports })]
    const jane = there.client('jane')
    await expect(jane.list(configMaps)).rejects.toMatchObject({ reason: 'Forbidden' })
    expect(await ask(here, '/apis/rbac.authorization.k8s.io/v1/clusterroles', ROLE)).toBe(201)
    expect(await ask(here, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', BINDING)).toBe(201)
    await jane.list(configMaps)
    const path = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/readers'
    const user = { username: 'admin', groups: ['system:masters'] }
    await here.api.handle({ method: 'DELETE', path, query: new URLSearchParams(), headers: {}, user })
    await ports.advance(500)
    await expect(jane.list(configMaps)).rejects.toMatchObject({ reason: 'Forbidden' })
    await site.close()
  })

  test('its own grants count at once', async () => {
    const site = cloudSite()
    const cloud = await site.open()
    expect(await ask(cloud, '/apis/rbac.authorization.k8s.io/v1/clusterroles', ROLE)).toBe(201)
    expect(await ask(cloud, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', BINDING)).toBe(201)
    await cloud.client('jane').list(configMaps)
    await site.close()
  })

  test('requests that come close together share one look, and an idle process makes none', async () => {
    const site = cloudSite()
    await site.open()
    const { backend, calls } = counted(site.backend)
    const ports = fakePorts()
    const cloud = await site.open({ backend, ports })
    await ports.advance(1_000)
    const admin = cloud.client('root', 'system:masters')
    await admin.get(namespaces, { name: 'default' })
    await ports.advance(1_000)
    calls.length = 0
    for (let i = 0; i < 5; i++) await admin.get(namespaces, { name: 'default' })
    expect(calls.filter((call) => call.startsWith('counter'))).toEqual(['counters internal.wherry.dev/bells'])
    calls.length = 0
    await ports.advance(24 * 3_600_000)
    expect(calls).toEqual([])
    await site.close()
  })

  test('the table never sees what a Secret holds', async () => {
    const site = cloudSite()
    const [here, there] = [await site.open(), await site.open()]
    const secret = {
      kind: 'Secret',
      apiVersion: 'v1',
      metadata: { name: 's', namespace: 'default' },
      stringData: { password: 'correct horse' }
    }
    expect(await ask(here, '/api/v1/namespaces/default/secrets', secret)).toBe(201)
    const data = { password: Buffer.from('correct horse').toString('base64') }
    const found = await there.client('root', 'system:masters').get(secrets, { namespace: 'default', name: 's' })
    expect(found.data).toEqual(data)
    const stored = await site.backend.get('secrets', 'default/s')
    const [record] = await site.backend.readLog('secrets', 0, 10)
    for (const bytes of [stored?.bytes, record?.bytes]) {
      expect(bytes?.length).toBeGreaterThan(50)
      expect(Buffer.from(bytes ?? []).toString('latin1')).not.toMatch(/Secret|password|correct|Y29ycmVjdC/)
    }
    await site.close()
  })

  test('one that slept for longer than changes are kept says so once, and is opened anew', async () => {
    const memory = new MemoryBackend()
    const site = cloudSite(shared(memory))
    const ports = fakePorts()
    let lost = 0
    const sleeper = await site.open({ ports, lost: () => lost++ })
    const here = await site.open({ ports })
    for (let i = 0; i < 3; i++) {
      const role = { ...ROLE, metadata: { name: `r${i}` } }
      expect(await ask(here, '/apis/rbac.authorization.k8s.io/v1/clusterroles', role)).toBe(201)
    }
    for (const resource of ['rbac.authorization.k8s.io/clusterroles', BELL]) {
      await memory.advance(resource, await here.store.version(resource))
      while (await memory.trim(resource, ports.clock.now() + 1, 1_000));
    }
    await ports.advance(10_000)
    await expect(sleeper.client('jane').list(configMaps)).rejects.toMatchObject({ reason: 'ServiceUnavailable' })
    expect(lost).toBe(1)
    await (await site.open({ ports })).client('root', 'system:masters').list(configMaps)
    await site.close()
  })
})

describe('keys', () => {
  test('of processes that make them at the same moment are the same', async () => {
    const parameters = memoryParameters()
    const all = await Promise.all([1, 2, 3].map(() => openCloudKeys(parameters, '/wherry/test', fakePorts())))
    expect(new Set(all.map(({ serviceAccount }) => serviceAccount.id)).size).toBe(1)
    expect(new Set(all.map(({ sealing }) => sealing[0]?.id)).size).toBe(1)
    expect([...parameters.values.keys()]).toEqual(['/wherry/test/keys'])
    expect(Buffer.byteLength(parameters.values.get('/wherry/test/keys') ?? '')).toBeLessThan(4096)
  })

  test('a parameter with something else in it is named, and not shown', async () => {
    const parameters = memoryParameters()
    await parameters.create('/wherry/test/keys', '{"secret":1}')
    const opening = openCloudKeys(parameters, '/wherry/test', fakePorts())
    await expect(opening).rejects.toThrow('the parameter /wherry/test/keys does not hold the keys of a cluster')
  })
})

test('the environment that lacks a name is told which', () => {
  expect(() => cloudConfig({ WHERRY_CLUSTER: 'a' })).toThrow('WHERRY_TABLE')
  expect(cloudConfig({ WHERRY_CLUSTER: 'a', WHERRY_TABLE: 't' })).toMatchObject({ parameters: '/wherry/a' })
})
