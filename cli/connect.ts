import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '../core/client.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { connectApi } from '../node-agent/api-connection.ts'
import type { Cluster } from './cluster.ts'
import type { Paths } from './paths.ts'

export interface AdminConnection {
  readonly client: Client
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
  return { client: new Client(connection.send), close: () => connection.close() }
}
