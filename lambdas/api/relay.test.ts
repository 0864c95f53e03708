import { nodes, pods } from '../../core/kinds/refs.ts'
import type { Node, Pod } from '../../core/kinds/types.ts'
import { type CloudSite, cloudSite } from '../../test/cloud-fixture.ts'
import { fakePorts } from '../../test/fake-ports.ts'
import type { Cloud } from '../cloud/cloud.ts'

const POD = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    nodeName: 'n1',
    containers: [{ name: 'c', image: 'i' }],
    automountServiceAccountToken: false,
    serviceAccountName: 'web'
  }
} as Pod

describe('a log of a node that nobody can connect to', () => {
  let site: CloudSite
  let cloud: Cloud
  const ports = fakePorts()
  const user = (node: string) => ({ username: `system:node:${node}`, groups: ['system:nodes', 'system:authenticated'] })

  beforeEach(async () => {
    site = cloudSite()
    cloud = await site.open({ ports })
    const admin = cloud.client('root', 'system:masters')
    await admin.create(nodes, {
      metadata: { name: 'n1', annotations: { 'wherry.dev/queue-url': 'https://sqs/wherry-test-node-n1' } }
    } as Node)
    const account = { kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'web', namespace: 'default' } }
    await cloud.store.commit([{ resource: 'serviceaccounts', key: 'default/web', expected: 0, object: account }])
    await admin.create(pods, POD)
  })
  afterEach(() => site.close())

  const read = (signal?: AbortSignal, query = '') =>
    cloud.api.handle({
      method: 'GET',
      path: '/api/v1/namespaces/default/pods/web/log',
      query: new URLSearchParams(query),
      headers: {},
      user: { username: 'root', groups: ['system:masters'] },
      ...(signal === undefined ? {} : { signal })
    })
  const post = async (query: string, bytes: string | Uint8Array, who = user('n1')) => {
    const { message } = site.rung.at(-1) as { message: { relay: { id: string } } }
    const response = await cloud.api.handle({
      method: 'POST',
      path: `/wherry/v1/relay/${message.relay.id}`,
      query: new URLSearchParams(query),
      headers: { 'content-type': 'application/octet-stream' },
      body: { bytes: Buffer.from(bytes) },
      user: who
    })
    return { status: response.status, value: 'payload' in response.body ? response.body.payload.value : undefined }
  }
  const text = async (response: Awaited<ReturnType<typeof read>>) => {
    if (!('stream' in response.body)) throw new Error(`no stream: ${response.status}`)
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body.stream) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  const rung = async () => {
    for (let i = 0; i < 100 && site.rung.length === 0; i++) await ports.advance(0)
    return site.rung
  }
  /** Lets time pass until the promise settles. */
  const passing = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false
    const done = () => {
      over = true
    }
    promise.then(done, done)
    for (let i = 0; i < 2_000 && !over; i++) await ports.advance(100)
    return await promise
  }

  test('is rung for and passed on piece by piece', async () => {
    const reading = read(undefined, 'tailLines=3')
    expect(await rung()).toMatchObject([
      {
        queueUrl: 'https://sqs/wherry-test-node-n1',
        message: { relay: { path: '/containerLogs/default/web/c?tailLines=3' } }
      }
    ])
    expect(await post('piece=0&status=200', 'one\n')).toEqual({ status: 200, value: { next: 1 } })
    const response = await passing(reading)
    expect(response).toMatchObject({ status: 200, headers: { 'content-type': 'text/plain' } })
    const reader = text(response)
    expect(await post('piece=1', Buffer.from([0xff, 0x0a]))).toMatchObject({ status: 200 })
    await post('piece=1', 'again, after a lost answer')
    await post('piece=2&end=true', 'three\n')
    expect(await passing(reader)).toBe(`one\n${Buffer.from([0xff, 0x0a]).toString()}three\n`)
    expect(await post('piece=3', 'late')).toMatchObject({ status: 410 })
  })

  test("the agent's failure is the reader's", async () => {
    const reading = read()
    await rung()
    await post('piece=0&status=400&end=true', 'container "c" in pod "web" is waiting to start: ContainerCreating')
    expect(await passing(reading)).toMatchObject({ status: 400 })
  })

  test('an agent that does not answer within ten seconds is waited for no longer', async () => {
    const response = await passing(read())
    expect(response.status).toBe(400)
    const { message } = ('payload' in response.body ? response.body.payload.value : {}) as { message: string }
    // What the pod's status says explains the silence.
    expect(message).toBe('container "c" in pod "web" is waiting to start: ContainerCreating')
    expect(await post('piece=0&status=200', 'late')).toMatchObject({ status: 410 })
  })

  test('where the status explains nothing, the reader learns who did not answer', async () => {
    const admin = cloud.client('root', 'system:masters')
    const pod = await admin.get(pods, { namespace: 'default', name: 'web' })
    const status = { phase: 'Running', containerStatuses: [{ name: 'c', state: { running: {} } }] }
    await admin.update(pods, { ...pod, status } as Pod, { subresource: 'status' })
    const response = await passing(read())
    expect(response.status).toBe(500)
    expect('payload' in response.body ? response.body.payload.value : {}).toMatchObject({
      message:
        'Internal error occurred: Get "https://n1:10250/containerLogs/default/web/c": the node agent does not answer'
    })
  })

  test('who posts but the node itself is refused', async () => {
    void read()
    await rung()
    expect(await post('piece=0&status=200', 'x', user('n2'))).toMatchObject({ status: 403 })
    expect(await post('piece=0&status=200', 'x', { username: 'jane', groups: [] })).toMatchObject({ status: 403 })
  })

  test.each([
    ['', 400],
    ['piece=0', 400],
    ['piece=x&status=200', 400]
  ])('the piece "%s" is answered with %i', async (query, status) => {
    void read()
    await rung()
    expect(await post(query, 'x')).toMatchObject({ status })
  })

  test('a piece that is too large is refused', async () => {
    void read()
    await rung()
    expect(await post('piece=0&status=200', Buffer.alloc(262_145))).toMatchObject({ status: 413 })
  })

  test('a reader who leaves is noted, so that the agent stops', async () => {
    const leaving = new AbortController()
    const reading = read(leaving.signal, 'follow=true')
    await rung()
    await post('piece=0&status=200', 'one\n')
    const reader = text(await passing(reading))
    leaving.abort()
    expect(await passing(reader)).toBe('one\n')
    expect(await post('piece=1', 'two\n')).toMatchObject({ status: 410 })
  })

  test('an agent that dies in the middle ends the stream', async () => {
    const reading = read(undefined, 'follow=true')
    await rung()
    await post('piece=0&status=200', 'one\n')
    expect(await passing(text(await passing(reading)))).toBe('one\n')
  })

  test('a node without a queue is named', async () => {
    const admin = cloud.client('root', 'system:masters')
    const node = await admin.get(nodes, { name: 'n1' })
    await admin.update(nodes, { ...node, metadata: { ...node.metadata, annotations: {} } } as Node)
    const response = await passing(read())
    expect(response.status).toBe(400)
  })
})
