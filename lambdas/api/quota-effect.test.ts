import { createTestApi, type TestApi } from '../../test/test-api.ts'
import { limitRanger } from './admission/limit-ranger.ts'
import { resourceQuota } from './admission/resource-quota.ts'
import { quotaEffect } from './quota-effect.ts'

let t: TestApi
beforeEach(async () => {
  t = await createTestApi({ admission: [limitRanger, resourceQuota], effects: [quotaEffect] })
})
afterEach(async () => {
  await t.close()
})

const CORE = '/api/v1/namespaces/default'
const pod = (name: string, cpu = '100m') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] }
})
const make = (name: string, cpu?: string) => t.ask('POST', `${CORE}/pods`, { body: pod(name, cpu) })
const used = async () => (await t.ask('GET', `${CORE}/resourcequotas/q`)).body.status.used

async function limit(hard: Record<string, string>): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard } }
  await t.ask('POST', `${CORE}/resourcequotas`, { body })
  const none = Object.fromEntries(Object.keys(hard).map((name) => [name, '0']))
  const headers = { 'content-type': 'application/merge-patch+json' }
  const status = JSON.stringify({ status: { hard, used: none } })
  await t.ask('PATCH', `${CORE}/resourcequotas/q/status`, { body: status, headers })
}

test('of many pods at once exactly as many come as the quota has room for', async () => {
  await limit({ pods: '7', 'requests.cpu': '2' })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => make(`p${i}`)))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(7)
  expect(answers.filter(({ status }) => status === 403)).toHaveLength(23)
  expect(await used()).toEqual({ pods: '7', 'requests.cpu': '700m' })
})

test('what goes makes room, and what is only tried takes none', async () => {
  await limit({ pods: '1' })
  expect((await make('a')).status).toBe(201)
  expect((await make('b')).body).toMatchObject({
    code: 403,
    message: 'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
  })
  await t.ask('DELETE', `${CORE}/pods/a?gracePeriodSeconds=0`)
  expect(await used()).toEqual({ pods: '0' })
  expect((await t.ask('POST', `${CORE}/pods?dryRun=All`, { body: pod('c') })).status).toBe(201)
  expect(await used()).toEqual({ pods: '0' })
})

test('a pod must say what the quota counts', async () => {
  await limit({ 'limits.memory': '1Gi' })
  expect((await make('a')).body.message).toBe(
    'pods "a" is forbidden: failed quota: q: must specify limits.memory for: c'
  )
})

test('a limit range gives what is missing and refuses what is too much', async () => {
  const limits = [{ type: 'Container', max: { cpu: '1' }, default: { memory: '64Mi' } }]
  const body = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'l' }, spec: { limits } }
  await t.ask('POST', `${CORE}/limitranges`, { body })
  const made = await make('a')
  expect(made.body.spec.containers[0].resources).toMatchObject({ limits: { cpu: '1', memory: '64Mi' } })
  const greedy = pod('b')
  Object.assign(greedy.spec.containers[0] ?? {}, { resources: { limits: { cpu: '2' } } })
  const { body: refusal } = await t.ask('POST', `${CORE}/pods`, { body: greedy })
  expect(refusal.message).toContain('maximum cpu usage per Container is 1, but limit is 2')
})
