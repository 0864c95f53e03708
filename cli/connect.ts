import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '../core/client.ts'
import type { Send } from '../core/http.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { connectApi } from '../node-agent/api-connection.ts'
import type { Cluster } from './cluster.ts'
import type { Paths } from './paths.ts'

export interface AdminConnection {
  readonly client: Client
  readonly send: Send
  /** The answer to a GET of a path that is no resource. Throws where it fails. */
  get(path: string): Promise<unknown>
  close(): void
}

/** Connects to the running cluster as its administrator, over HTTPS as anybody would. */
export function connectAsAdmin(paths: Paths, cluster: Cluster): AdminConnection {
  const read = (name: string) => readFileSync(join(paths.keys, name), 'utf8')
  const connection = connectApi({
    url: `https://127.0.0.1:${cluster.port}`,
    ca: read('ca.crt'),
    cert: read('admin.crt'),
    key: read('admin.key'),
    ports: systemPorts(silentLog)
  })
  return {
    client: new Client(connection.send),
    send: connection.send,
    get: async (path) => {
      const { status, body } = await connection.send({ method: 'GET', path, query: new URLSearchParams(), headers: {} })
      if (status !== 200 || !('payload' in body)) throw new Error(`GET ${path} was answered with ${status}`)
      return body.payload.value
    },
    close: () => connection.close()
  }
}
