import { fakePorts } from '../test/fake-ports.ts'
import { Client } from './client.ts'
import { ApiError } from './errors.ts'
import { createEventRecorder } from './events.ts'
import type { ApiRequest, ApiResponse } from './http.ts'
import type { Event } from './kinds/types.ts'

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7' }
}

function setUp(fail: (request: ApiRequest) => ApiError | undefined = () => undefined) {
  const ports = fakePorts()
  const requests: { method: string; path: string; body: unknown }[] = []
  const send = async (request: ApiRequest): Promise<ApiResponse> => {
    const value = request.body !== undefined && 'value' in request.body ? request.body.value : undefined
    const error = fail(request)
    if (error !== undefined) return answer(error.code, error.toStatus())
    requests.push({ method: request.method, path: request.path, body: value })
    return answer(200, value)
  }
  const recorder = createEventRecorder({
    client: new Client(send),
    component: 'deployment-controller',
    host: 'node-1',
    ports
  })
  return { ports, requests, recorder }
}

function eventIn(request: { body: unknown } | undefined): Event {
  return (request ?? { body: undefined }).body as Event
}

function answer(status: number, value: unknown): ApiResponse {
  return { status, headers: {}, body: { payload: { value, bytes: () => new Uint8Array() } } }
}

test('an event is written as client-go writes it', async () => {
  const { recorder, requests } = setUp()
  recorder.event(pod, 'Normal', 'Scaled', 'up')
  await recorder.flush()
  const { name = '' } = eventIn(requests[0]).metadata
  expect(name).toMatch(/^web\.[0-9a-f]{16}$/)
  expect(requests).toEqual([
    {
      method: 'POST',
      path: '/api/v1/namespaces/shop/events',
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace: 'shop' },
        involvedObject: {
          apiVersion: 'v1',
          kind: 'Pod',
          name: 'web',
          namespace: 'shop',
          uid: 'u1',
          resourceVersion: '7'
        },
        reason: 'Scaled',
        message: 'up',
        type: 'Normal',
        source: { component: 'deployment-controller', host: 'node-1' },
        reportingComponent: 'deployment-controller',
        reportingInstance: 'node-1',
        firstTimestamp: '2026-01-01T00:00:00Z',
        lastTimestamp: '2026-01-01T00:00:00Z',
        count: 1
      }
    }
  ])
})

test('the same again only counts up; another message is another event', async () => {
  const { recorder, requests, ports } = setUp()
  recorder.event(pod, 'Warning', 'Failed', 'one')
  await recorder.flush()
  await ports.advance(60_000)
  recorder.event(pod, 'Warning', 'Failed', 'one')
  recorder.event(pod, 'Warning', 'Failed', 'two')
  await recorder.flush()
  const { name } = eventIn(requests[0]).metadata
  expect(requests[1]).toEqual({
    method: 'PATCH',
    path: `/api/v1/namespaces/shop/events/${name}`,
    body: { count: 2, lastTimestamp: '2026-01-01T00:01:00Z', message: 'one' }
  })
  expect(requests[2]).toMatchObject({ method: 'POST', body: { message: 'two', count: 1 } })
})

test('a counted event that has expired is written anew', async () => {
  const { recorder, requests } = setUp(({ method }) =>
    method === 'PATCH' ? new ApiError('NotFound', 'gone') : undefined
  )
  recorder.event(pod, 'Normal', 'Pulled', 'x')
  recorder.event(pod, 'Normal', 'Pulled', 'x')
  await recorder.flush()
  expect(requests.map(({ method }) => method)).toEqual(['POST', 'POST'])
  expect(eventIn(requests[1]).count).toBe(1)
})

test('from ten different messages within ten minutes on, they are combined into one event', async () => {
  const { recorder, requests } = setUp()
  for (let i = 1; i <= 12; i += 1) recorder.event(pod, 'Normal', 'Created', `pod ${i}`)
  await recorder.flush()
  expect(requests.map(({ method }) => method)).toEqual([...Array(10).fill('POST'), 'PATCH', 'PATCH'])
  expect(requests[8]).toMatchObject({ body: { message: 'pod 9', reportingComponent: 'deployment-controller' } })
  expect(requests[9]).toMatchObject({
    body: { message: '(combined from similar events): pod 10', reportingComponent: '' }
  })
  expect(requests[11]).toMatchObject({ body: { message: '(combined from similar events): pod 12', count: 3 } })
})

test('one object has 25 events at once, and one more every five minutes', async () => {
  const { recorder, requests, ports } = setUp()
  for (let i = 0; i < 40; i += 1) recorder.event(pod, 'Normal', 'Again', 'x')
  await recorder.flush()
  expect(requests.length).toBe(25)
  await ports.advance(299_999)
  recorder.event(pod, 'Normal', 'Again', 'x')
  await ports.advance(1)
  recorder.event(pod, 'Normal', 'Again', 'x')
  recorder.event({ ...pod, metadata: { ...pod.metadata, name: 'other', uid: 'u2' } }, 'Normal', 'Again', 'x')
  await recorder.flush()
  expect(requests.length).toBe(27)
})

test('events of cluster-scoped objects are kept in the namespace default', async () => {
  const { recorder, requests } = setUp()
  recorder.event({ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'u' }, 'Normal', 'NodeReady', 'x')
  await recorder.flush()
  expect(requests[0]).toMatchObject({ path: '/api/v1/namespaces/default/events' })
})

test('what the API refuses is dropped; where it does not answer, it is tried again', async () => {
  let down = true
  const { recorder, requests, ports } = setUp(({ path }) => {
    if (path.includes('/closing/')) return new ApiError('Forbidden', 'the namespace is being terminated')
    return down ? new ApiError('ServiceUnavailable', 'later') : undefined
  })
  recorder.event({ ...pod, metadata: { ...pod.metadata, namespace: 'closing' } }, 'Normal', 'A', 'x')
  recorder.event(pod, 'Normal', 'B', 'x')
  await ports.advance(1)
  expect(requests).toEqual([])
  down = false
  await ports.advance(10_000)
  await recorder.flush()
  expect(requests.map(({ body }) => (body as Event).reason)).toEqual(['B'])
})
