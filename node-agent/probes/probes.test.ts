import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import type { Probe } from '../../core/kinds/types.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { container } from '../pod/fixture.ts'
import { FakeRuntime } from '../runtime/fake.ts'
import { firstDue } from './prober.ts'
import { runProbe } from './run-probe.ts'
import { addResult, NO_STREAK } from './threshold.ts'

describe('thresholds', () => {
  const settle = (results: string, probe: Probe) => {
    let streak = NO_STREAK
    return [...results]
      .map((letter) => {
        const next = addResult(streak, letter === '+' ? 'success' : 'failure', probe)
        streak = next.streak
        return next.settled === undefined ? '.' : next.settled === 'success' ? '+' : '-'
      })
      .join('')
  }
  test.each([
    ['---', { failureThreshold: 3 }, '..-'],
    ['--+--', { failureThreshold: 3 }, '..+..'],
    ['-+-', { failureThreshold: 1 }, '-+-'],
    ['++-++', { successThreshold: 2, failureThreshold: 1 }, '.+-.+'],
    ['----', {}, '..--']
  ])('%s with %j', (results, probe, expected) => expect(settle(results, probe)).toBe(expected))
})

test.each<['startup' | 'liveness' | 'readiness', Probe, number]>([
  ['readiness', {}, 1],
  ['readiness', { initialDelaySeconds: 5 }, 5],
  ['liveness', {}, 10],
  ['liveness', { periodSeconds: 3 }, 3],
  ['liveness', { periodSeconds: 3, initialDelaySeconds: 1 }, 1],
  ['startup', { periodSeconds: 2 }, 2]
])('the first %s probe that counts, with %j, is after %i s', (kind, probe, seconds) => {
  expect(firstDue(kind, probe, 500_000)).toBe(500_000 + seconds * 1000)
})

describe('a probe', () => {
  const ports = systemPorts(silentLog)
  const runtime = new FakeRuntime(ports)
  const spec = container('c', { ports: [{ name: 'web', containerPort: 1 }] })
  const target = { runtime, ports, container: spec, containerId: 'c', podIP: '127.0.0.1' }
  const servers: { close(): void }[] = []
  afterAll(() => {
    for (const server of servers) server.close()
  })

  test('over HTTP: success below 400, redirects followed on the same host, other answers told', async () => {
    const server = createHttpServer((request, response) => {
      if (request.url === '/slow') return
      const [, code = '200', to] = request.url?.split('/') ?? []
      response.writeHead(Number(code), to === undefined ? {} : { location: `/${to}` })
      response.end(request.headers['user-agent'])
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.push({ close: () => void server.close(), ...{} })
    const { port } = server.address() as AddressInfo
    const ask = (path: string) => runProbe(target, { httpGet: { path, port }, timeoutSeconds: 0.2 })
    expect(await ask('/200')).toEqual({ result: 'success' })
    expect(await ask('/302/200')).toEqual({ result: 'success' })
    expect(await ask('/302/500')).toEqual({ result: 'failure', output: 'HTTP probe failed with statuscode: 500' })
    const warning = 'Probe terminated redirects, Response body: kube-probe/1.35'
    expect(await ask('/300')).toEqual({ result: 'success', warning })
    expect(await ask('404')).toEqual({ result: 'failure', output: 'HTTP probe failed with statuscode: 404' })
    const output = `Get "http://127.0.0.1:${port}/slow": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`
    expect(await ask('/slow')).toEqual({ result: 'failure', output })
    server.closeAllConnections()
  })

  test('where nobody listens', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await runProbe(target, { tcpSocket: { port } })).toEqual({ result: 'success' })
    server.close()
    await once(server, 'close')
    const refused = `dial tcp 127.0.0.1:${port}: connect: connection refused`
    expect(await runProbe(target, { tcpSocket: { port } })).toEqual({ result: 'failure', output: refused })
    expect(await runProbe(target, { httpGet: { port } })).toEqual({
      result: 'failure',
      output: `Get "http://127.0.0.1:${port}/": ${refused}`
    })
  })

  test('by a command', async () => {
    const of = (exitCode: number) => ({ exitCode, stdout: 'out', stderr: 'err' })
    const calls: unknown[] = []
    const at = {
      ...target,
      runtime: Object.assign(Object.create(runtime), {
        exec: async (...call: unknown[]) => {
          calls.push(call)
          return of(calls.length - 1)
        }
      })
    }
    const probe = { exec: { command: ['check', 'it'] }, timeoutSeconds: 3 }
    expect(await runProbe(at, probe)).toEqual({ result: 'success' })
    expect(await runProbe(at, probe)).toEqual({ result: 'failure', output: 'outerr' })
    expect(calls[0]).toEqual(['c', ['check', 'it'], 3])
  })
})
