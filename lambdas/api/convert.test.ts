import { createTestApi, type TestApi } from '../../test/test-api.ts'

let t: TestApi
beforeEach(async () => {
  t = await createTestApi()
})
afterEach(async () => {
  await t.close()
})

const scalers = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`
const EVENTS = ['/api/v1/namespaces/default/events', '/apis/events.k8s.io/v1/namespaces/default/events'] as const
const target = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }

describe('an autoscaler of v1 and of v2 is one object', () => {
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '100Mi' } }
  }

  test('made as v1', async () => {
    const spec = { scaleTargetRef: target, maxReplicas: 5, targetCPUUtilizationPercentage: 70 }
    await t.ask('POST', scalers('v1'), {
      body: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'a' }, spec }
    })
    const { body } = await t.ask('GET', `${scalers('v2')}/a`)
    expect(body).toMatchObject({
      apiVersion: 'autoscaling/v2',
      spec: {
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }
        ]
      }
    })
  })

  test('what v1 has no field for survives a change through it', async () => {
    const spec = { scaleTargetRef: target, maxReplicas: 5, metrics: [memory] }
    await t.ask('POST', scalers('v2'), {
      body: { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'a' }, spec }
    })
    const headers = { 'content-type': 'application/merge-patch+json' }
    const changed = await t.ask('PATCH', `${scalers('v1')}/a`, { body: '{"spec":{"maxReplicas":7}}', headers })
    expect(changed.body.metadata.annotations).toHaveProperty(['autoscaling.alpha.kubernetes.io/metrics'])
    const { body } = await t.ask('GET', `${scalers('v2')}/a`)
    expect(body.spec).toMatchObject({ maxReplicas: 7, metrics: [memory] })
    expect(body.metadata).not.toHaveProperty('annotations')
  })
})

test('an event of both groups is one object, and a list of each has its own kind', async () => {
  const regarding = { kind: 'Pod', name: 'p', namespace: 'default' }
  await t.ask('POST', EVENTS[0], {
    body: {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e' },
      involvedObject: regarding,
      message: 'm',
      count: 2
    }
  })
  const one = await t.ask('GET', `${EVENTS[1]}/e`)
  expect(one.body).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'm', regarding, deprecatedCount: 2 })
  const { body } = await t.ask('GET', EVENTS[1])
  expect(body).toMatchObject({ apiVersion: 'events.k8s.io/v1', kind: 'EventList', items: [{ note: 'm' }] })
  expect((await t.ask('DELETE', `${EVENTS[1]}/e`)).status).toBe(200)
  expect((await t.ask('GET', `${EVENTS[0]}/e`)).status).toBe(404)
})
