import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Client } from '../core/client.ts'
import { pods } from '../core/kinds/refs.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { connectApi } from './api-connection.ts'

/** HTTP/2 without TLS: the connection's own code is the same. */
async function serve(handle: (stream: ServerHttp2Stream, path: string, body: string) => void): Promise<Http2Server> {
  const server = createServer()
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => {})
    let body = ''
    for await (const chunk of stream) body += chunk
    handle(stream, String(headers[':path']), body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const ports = systemPorts(silentLog)
const urlOf = (server: Http2Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

function json(stream: ServerHttp2Stream, status: number, value: unknown): void {
  stream.respond({ ':status': status, 'content-type': 'application/json' })
  stream.end(JSON.stringify(value))
}

describe('the connection to the API', () => {
  test('sends objects and reads answers and failures', async () => {
    const server = await serve((stream, path, body) => {
      if (path.endsWith('/gone')) {
        return json(stream, 404, { kind: 'Status', reason: 'NotFound', message: 'pods "gone" not found', code: 404 })
      }
      json(stream, 201, { echoed: JSON.parse(body === '' ? '{}' : body), path })
    })
    const connection = connectApi({ url: urlOf(server), ca: '', ports })
    const client = new Client(connection.send)
    const created = (await client.create(pods, {
      metadata: { name: 'a', namespace: 'default' },
      spec: { containers: [] }
    })) as unknown as { echoed: { kind: string }; path: string }
    expect(created.echoed.kind).toBe('Pod')
    expect(created.path).toBe('/api/v1/namespaces/default/pods')
    await expect(client.get(pods, { namespace: 'default', name: 'gone' })).rejects.toMatchObject({ reason: 'NotFound' })
    connection.close()
    server.close()
  })

  test('delivers watch lines however the bytes are cut, and ends when the connection breaks', async () => {
    const line = (name: string) => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name, note: 'ü' } } })}\n`
    const server = await serve((stream) => {
      const bytes = Buffer.from(line('a') + line('b') + line('c'))
      stream.respond({ ':status': 200, 'content-type': 'application/json' })
      stream.write(bytes.subarray(0, 50))
      stream.write(bytes.subarray(50, bytes.length - 10))
      stream.end(bytes.subarray(bytes.length - 10))
    })
    const connection = connectApi({ url: urlOf(server), ca: '', ports })
    const seen: (string | undefined)[] = []
    for await (const events of new Client(connection.send).watch(pods, {}, new AbortController().signal)) {
      seen.push(...events.map((event) => event.object.metadata.name))
    }
    expect(seen).toEqual(['a', 'b', 'c'])
    connection.close()
    server.close()
  })

  test('answers ServiceUnavailable while there is no server, and connects when there is one', async () => {
    const first = await serve((stream) => json(stream, 200, { items: [], metadata: {} }))
    const { port } = first.address() as AddressInfo
    first.close()
    await once(first, 'close')
    const connection = connectApi({ url: `http://127.0.0.1:${port}`, ca: '', ports })
    const client = new Client(connection.send)
    await expect(client.list(pods)).rejects.toMatchObject({ reason: 'ServiceUnavailable' })
    const second = createServer()
    second.on('stream', (stream) => json(stream, 200, { items: [{ metadata: { name: 'x' } }], metadata: {} }))
    second.listen(port, '127.0.0.1')
    await once(second, 'listening')
    expect((await client.list(pods)).items).toHaveLength(1)
    connection.close()
    second.close()
  })

  test('ends a watch when its reader gives up', async () => {
    let ended: (() => void) | undefined
    const end = new Promise<void>((resolve) => {
      ended = resolve
    })
    const server = await serve((stream) => {
      stream.on('close', () => ended?.())
      stream.respond({ ':status': 200, 'content-type': 'application/json' })
      stream.write(`${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'a' } } })}\n`)
    })
    const connection = connectApi({ url: urlOf(server), ca: '', ports })
    const stop = new AbortController()
    for await (const _ of new Client(connection.send).watch(pods, {}, stop.signal)) stop.abort()
    await end
    connection.close()
    server.close()
  })
})
