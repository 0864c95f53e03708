import { createTestApi, type TestApi } from '../../../test/test-api.ts'

let t: TestApi
beforeEach(async () => {
  t = await createTestApi()
})
afterEach(async () => {
  await t.close()
})

const CORE = '/api/v1/namespaces/default'
const BUDGETS = '/apis/policy/v1/namespaces/default/poddisruptionbudgets'
const headers = { 'content-type': 'application/merge-patch+json' }
const REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
const setStatus = (path: string, status: object) =>
  t.ask('PATCH', `${path}/status`, { body: JSON.stringify({ status }), headers })

async function runPod(name: string, ready = 'True'): Promise<void> {
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'n', terminationGracePeriodSeconds: 0 }
  await t.ask('POST', `${CORE}/pods`, {
    body: { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'a' } }, spec }
  })
  await setStatus(`${CORE}/pods/${name}`, { phase: 'Running', conditions: [{ type: 'Ready', status: ready }] })
}

async function guard(name: string, status: object, spec: object = {}): Promise<void> {
  const whole = { minAvailable: 1, selector: { matchLabels: { app: 'a' } }, ...spec }
  await t.ask('POST', BUDGETS, {
    body: { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name }, spec: whole }
  })
  await setStatus(`${BUDGETS}/${name}`, {
    observedGeneration: 1,
    disruptionsAllowed: 0,
    currentHealthy: 1,
    desiredHealthy: 1,
    expectedPods: 1,
    ...status
  })
}

const evict = (name: string, query = '') =>
  t.ask('POST', `${CORE}/pods/${name}/eviction${query}`, {
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } }
  })

test('without a budget it is a deletion', async () => {
  await runPod('a')
  expect((await evict('a')).status).toBe(201)
  expect((await t.ask('GET', `${CORE}/pods/a`)).status).toBe(404)
})

test('of many at once exactly as many go as the budget allows', async () => {
  const names = Array.from({ length: 10 }, (_, i) => `p${i}`)
  await Promise.all(names.map((name) => runPod(name)))
  await guard('b', { disruptionsAllowed: 3, currentHealthy: 10, desiredHealthy: 7, expectedPods: 10 })
  const answers = await Promise.all(names.map((name) => evict(name)))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(3)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(7)
  const { status } = (await t.ask('GET', `${BUDGETS}/b`)).body
  expect(status.disruptionsAllowed).toBe(0)
  expect(Object.keys(status.disruptedPods)).toHaveLength(3)
})

test.each<[string, object, string, number | undefined]>([
  ['has none', {}, 'The disruption budget b needs 1 healthy pods and has 1 currently', undefined],
  ['is not counted', { observedGeneration: 0 }, 'The disruption budget b is still being processed by the server.', 10]
])('a budget that %s refuses', async (_name, status, message, retry) => {
  await runPod('a')
  await guard('b', status)
  const answer = await evict('a')
  expect(answer.body).toMatchObject({ code: 429, reason: 'TooManyRequests', message: REFUSAL })
  expect(answer.body.details.causes).toEqual([{ reason: 'DisruptionBudget', message }])
  expect(answer.body.details.retryAfterSeconds).toBe(retry)
  expect((await t.ask('GET', `${CORE}/pods/a`)).status).toBe(200)
})

test('two budgets are too many', async () => {
  await runPod('a')
  await guard('b', {})
  await guard('c', {})
  const { status, body } = await evict('a')
  expect(status).toBe(500)
  expect(body.message).toMatch(/^This pod has more than one PodDisruptionBudget/)
})

test('a pod that is not ready goes where its budget says so, and takes nothing', async () => {
  await runPod('a', 'False')
  await guard('b', {}, { unhealthyPodEvictionPolicy: 'AlwaysAllow' })
  expect((await evict('a')).status).toBe(201)
  expect((await t.ask('GET', `${BUDGETS}/b`)).body.status).not.toHaveProperty('disruptedPods')
})

test('a dry run takes nothing', async () => {
  await runPod('a')
  await guard('b', { disruptionsAllowed: 1 })
  expect((await evict('a', '?dryRun=All')).status).toBe(201)
  expect((await t.ask('GET', `${BUDGETS}/b`)).body.status.disruptionsAllowed).toBe(1)
  expect((await t.ask('GET', `${CORE}/pods/a`)).status).toBe(200)
})
