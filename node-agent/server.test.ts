import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PodStatus } from '../core/kinds/types.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../lambdas/api/certificates.ts'
import { loggedContainer } from './answers.ts'
import { ran } from './pod/fixture.ts'
import { FakeRuntime } from './runtime/fake.ts'
import { type NodeServer, startServer } from './server.ts'

describe('the node’s server', () => {
  const ports = systemPorts(silentLog)
  const folder = mkdtempSync(join(tmpdir(), 'wherry-server-'))
  const file = join(folder, '0.log')
  let server: NodeServer
  let ca: string
  let apiServer: KeyPair
  let stranger: KeyPair
  let status: PodStatus

  beforeAll(async () => {
    const valid = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000, ids: ports.ids }
    const authority = await createAuthority({ commonName: 'ca', ...valid })
    ca = authority.certificate
    const node = await issueCertificate(authority, { commonName: 'system:node:n', hosts: ['127.0.0.1'], ...valid })
    apiServer = await issueCertificate(authority, {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
      ...valid
    })
    stranger = await issueCertificate(authority, {
      commonName: 'system:node:other',
      organizations: ['system:nodes'],
      ...valid
    })
    writeFileSync(file, '2026-01-01T00:00:01Z stdout F hello\n')
    status = {
      containerStatuses: [
        {
          name: 'c',
          image: '',
          imageID: '',
          ready: true,
          restartCount: 0,
          containerID: 'containerd://c0',
          state: { running: {} }
        }
      ]
    }
    server = await startServer({
      port: 0,
      tls: { ca, cert: node.certificate, key: node.key },
      nodeName: 'n',
      runtime: new FakeRuntime(ports),
      ports,
      pods: () => [{ metadata: { name: 'p', namespace: 'ns' } }],
      status: (namespace, name) => (namespace === 'ns' && name === 'p' ? status : undefined),
      containers: () => [ran('c', { logPath: file })],
      onChange: () => () => {}
    })
  })
  afterAll(async () => {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const get = (path: string, identity: KeyPair | undefined): Promise<string> =>
    new Promise((resolve, reject) => {
      const client = identity === undefined ? {} : { cert: identity.certificate, key: identity.key }
      const sent = request({ host: '127.0.0.1', port: server.port, path, ca, ...client, agent: false }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve(`${response.statusCode} ${text}`))
      })
      sent.on('error', reject)
      sent.end()
    })

  test.each([
    ['/healthz', '200 ok'],
    ['/containerLogs/ns/p/c', '200 hello\n'],
    ['/containerLogs/ns/p/c?timestamps=true&tailLines=1', '200 2026-01-01T00:00:01Z hello\n'],
    ['/containerLogs/ns/p/c?previous=true', '404 previous terminated container "c" in pod "p" not found'],
    ['/containerLogs/ns/none/c', '404 pod "none" does not exist'],
    ['/elsewhere', '404 404 page not found']
  ])('%s', async (path, expected) => expect(await get(path, apiServer)).toBe(expected))

  test('tells its pods and what they use', async () => {
    expect(await get('/pods', apiServer)).toContain('"name":"p"')
    expect(await get('/stats/summary', apiServer)).toContain('"nodeName":"n"')
  })

  test('answers nobody but the API server', async () => {
    expect(await get('/containerLogs/ns/p/c', stranger)).toBe('403 Forbidden (user=system:node:other)')
    await expect(get('/healthz', undefined)).rejects.toThrow()
  })
})

describe('which run of a container a log is of', () => {
  const ended = (id: string) => ({ terminated: { exitCode: 1, containerID: id } })
  test.each<[string, object, boolean, string | undefined]>([
    ['the one that runs', { containerID: 'b', state: { running: {} }, lastState: ended('a') }, false, 'b'],
    ['the one before', { containerID: 'b', state: { running: {} }, lastState: ended('a') }, true, 'a'],
    ['the one that ended', { containerID: 'b', state: ended('b') }, false, 'b'],
    ['none before it', { containerID: 'b', state: ended('b') }, true, undefined],
    ['the last one of a back-off', { containerID: 'b', state: { waiting: {} }, lastState: ended('b') }, false, 'b'],
    ['none yet', { state: { waiting: {} } }, false, undefined]
  ])('%s', (_, one, previous, expected) => {
    const containerStatuses = [{ name: 'c', image: '', imageID: '', ready: false, restartCount: 0, ...one }]
    expect(loggedContainer({ containerStatuses }, 'c', previous)).toBe(expected)
  })
})
