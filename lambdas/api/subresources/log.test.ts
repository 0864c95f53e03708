import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Pod } from '../../../core/kinds/types.ts'
import type { Store } from '../../../store/store.ts'
import { context, kinds, put, resourceRequest, testPorts, testStore } from '../../../test/api-fixture.ts'
import { type Keys, loadOrCreateKeys } from '../keys.ts'
import { createKubelet } from '../kubelet.ts'
import { containerOf, logHandler, logProblem, logQuery } from './log.ts'

const pod = (given: { spec?: object; status?: object; name?: string }): Pod =>
  ({ metadata: { name: given.name ?? 'a', namespace: 'ns' }, spec: given.spec, status: given.status }) as Pod

describe('the query', () => {
  test.each([
    ['', ''],
    ['follow=true&previous=1&timestamps', 'follow=true&previous=true&timestamps=true'],
    ['follow=false&previous=0', ''],
    ['tailLines=0&limitBytes=5&sinceSeconds=9&pretty=true', 'sinceSeconds=9&tailLines=0&limitBytes=5'],
    ['sinceTime=2026-01-02T03:04:05Z', 'sinceTime=2026-01-02T03%3A04%3A05Z']
  ])('%s', (given, expected) => {
    expect(logQuery('a', new URLSearchParams(given)).toString()).toBe(expected)
  })

  test.each([
    ['tailLines=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['tailLines=-1', 'PodLogOptions "a" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0'],
    ['limitBytes=0', 'PodLogOptions "a" is invalid: limitBytes: Invalid value: 0: must be greater than 0'],
    ['sinceSeconds=0', 'PodLogOptions "a" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0'],
    [
      'sinceSeconds=1&sinceTime=2026-01-02T03:04:05Z',
      'PodLogOptions "a" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified'
    ],
    [
      'sinceTime=yesterday',
      'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'
    ]
  ])('%s: %s', (given, message) => {
    expect(() => logQuery('a', new URLSearchParams(given))).toThrow(message)
  })
})

describe('the container', () => {
  const one = pod({ spec: { containers: [{ name: 'x' }], initContainers: [{ name: 'i' }] } })
  const two = pod({ spec: { containers: [{ name: 'x' }, { name: 'y' }], initContainers: [{ name: 'i' }] } })
  test('of one', () => expect(containerOf(one, '')).toBe('x'))
  test('an init container', () => expect(containerOf(two, 'i')).toBe('i'))
  test.each([
    [two, '', 'a container name must be specified for pod a, choose one of: [i x y]'],
    [one, 'nope', 'container nope is not valid for pod a']
  ])('%j %s: %s', (of, wanted, message) => expect(() => containerOf(of, wanted)).toThrow(message))
})

describe('why there is no log', () => {
  const ended = { terminated: { containerID: 'containerd://1', exitCode: 0 } }
  const waiting = (reason: string) => ({ waiting: { reason } })
  test.each<[object | undefined, boolean, string | undefined]>([
    [undefined, false, 'container "c" in pod "a" is waiting to start: ContainerCreating'],
    [{ containerStatuses: [] }, false, 'container "c" in pod "a" is not available'],
    [{ phase: 'Failed' }, false, 'container "c" in pod "a" is not available'],
    [
      { containerStatuses: [{ name: 'c', state: waiting('ContainerCreating') }] },
      false,
      'container "c" in pod "a" is waiting to start: ContainerCreating'
    ],
    [
      { containerStatuses: [{ name: 'c', state: waiting('ErrImagePull') }] },
      false,
      'container "c" in pod "a" is waiting to start: image can\'t be pulled'
    ],
    [
      { containerStatuses: [{ name: 'c', state: waiting('ImagePullBackOff') }] },
      false,
      'container "c" in pod "a" is waiting to start: trying and failing to pull image'
    ],
    [{ containerStatuses: [{ name: 'c' }] }, false, 'container "c" in pod "a" is waiting to start - no logs yet'],
    [{ containerStatuses: [{ name: 'c', state: waiting('CrashLoopBackOff'), lastState: ended }] }, false, undefined],
    [{ containerStatuses: [{ name: 'c', state: { running: {} } }] }, false, undefined],
    [
      { containerStatuses: [{ name: 'c', state: { running: {} } }] },
      true,
      'previous terminated container "c" in pod "a" not found'
    ],
    [{ containerStatuses: [{ name: 'c', state: { running: {} }, lastState: ended }] }, true, undefined],
    [{ initContainerStatuses: [{ name: 'c', state: ended }] }, false, undefined],
    [
      { containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 1 } } }] },
      false,
      'container "c" in pod "a" is terminated'
    ]
  ])('%j previous %s: %s', (status, previous, message) => {
    expect(logProblem(pod({ ...(status === undefined ? {} : { status }) }), 'c', previous)).toBe(message)
  })
})

describe('through a node agent', () => {
  const ports = testPorts()
  let dir: string
  let keys: Keys
  let server: Server
  let port: number
  let store: Store
  let answer: { status: number; text: string }
  const seen: { url: string | undefined; user: string | undefined }[] = []

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-log-'))
    keys = await loadOrCreateKeys(dir, {
      hosts: [],
      ports: { ...ports, clock: { ...ports.clock, now: () => Date.now() } }
    })
    const own = await keys.issueServingCertificate({
      commonName: 'system:node:n1',
      organizations: ['system:nodes'],
      hosts: ['n1']
    })
    const tls = { cert: own.certificate, key: own.key, ca: keys.authority, requestCert: true, rejectUnauthorized: true }
    server = createServer(tls, (request, response) => {
      seen.push({ url: request.url, user: (request.socket as TLSSocket).getPeerCertificate().subject.CN as string })
      response.writeHead(answer.status).end(answer.text)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.close()
    rmSync(dir, { recursive: true, force: true })
  })
  beforeEach(async () => {
    store = testStore(ports)
    seen.length = 0
    answer = { status: 200, text: 'hello\n' }
    const at = (Port: number) => ({
      addresses: [
        { type: 'Hostname', address: 'n1' },
        { type: 'InternalIP', address: '127.0.0.1' }
      ],
      daemonEndpoints: { kubeletEndpoint: { Port } }
    })
    await put(store, 'nodes', { metadata: { name: 'n1' }, status: at(port) })
    await put(store, 'nodes', { metadata: { name: 'impostor' }, status: at(port) })
    await put(store, 'nodes', { metadata: { name: 'off' }, status: at(1) })
    await put(store, 'nodes', { metadata: { name: 'bare' } })
    const containers = [{ name: 'c' }]
    const bind = async (name: string, nodeName: string, status = {}) =>
      await put(store, 'pods', { metadata: { namespace: 'ns', name }, spec: { containers, nodeName }, status })
    for (const node of ['n1', 'impostor', 'bare', 'gone'])
      await bind(`on-${node}`, node, { containerStatuses: [{ name: 'c', state: { running: {} } }] })
    await bind('on-off', 'off')
    await bind('nowhere', '')
  })

  async function log(name: string, query = '') {
    const kubelet = createKubelet({ keys, store })
    try {
      const at = resourceRequest({ kind: kinds.pods, name, subresource: 'log', query })
      const { status, body, headers } = await logHandler(kubelet)(at, context(store, ports))
      let text = ''
      if ('stream' in body) for await (const chunk of body.stream) text += Buffer.from(chunk).toString()
      return { status, text, type: headers['content-type'] }
    } finally {
      kubelet.close()
    }
  }

  test("streams what the agent sends, as the API server's own client", async () => {
    expect(await log('on-n1', 'tailLines=3')).toEqual({ status: 200, text: 'hello\n', type: 'text/plain' })
    expect(seen).toEqual([{ url: '/containerLogs/ns/on-n1/c?tailLines=3', user: 'kube-apiserver-kubelet-client' }])
  })

  test('a pod without a node has no content', async () => {
    expect((await log('nowhere')).status).toBe(204)
  })

  test.each<[string, { status: number; text: string }, object]>([
    [
      'on-n1',
      { status: 400, text: 'container "c" is not there\n' },
      { code: 400, reason: 'BadRequest', message: 'container "c" is not there' }
    ],
    ['on-n1', { status: 500, text: 'oh' }, { code: 500, message: 'Internal error occurred: oh' }],
    ['on-n1', { status: 404, text: 'no log' }, { code: 404, message: 'no log' }],
    ['on-gone', { status: 200, text: '' }, { code: 404, message: 'nodes "gone" not found' }],
    [
      'on-bare',
      { status: 200, text: '' },
      { code: 500, message: 'Internal error occurred: no preferred addresses found; known addresses: []' }
    ],
    [
      'on-off',
      { status: 200, text: '' },
      { code: 400, message: 'container "c" in pod "on-off" is waiting to start: ContainerCreating' }
    ],
    ['missing', { status: 200, text: '' }, { code: 404, message: 'pods "missing" not found' }]
  ])('%s answered with %j', async (name, given, expected) => {
    answer = given
    await expect(log(name)).rejects.toMatchObject(expected)
  })

  test("another node's agent is not believed, unless the client insists", async () => {
    await expect(log('on-impostor')).rejects.toThrow(
      /Get "https:\/\/127\.0\.0\.1:\d+\/containerLogs\/ns\/on-impostor\/c": /
    )
    expect((await log('on-impostor', 'insecureSkipTLSVerifyBackend=true')).text).toBe('hello\n')
  })
})
