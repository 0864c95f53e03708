/**
 * The node agent as a process: `node node-agent/main.ts --config FILE`. It may be killed at any moment; containers live
 * on, and the next agent finds them. Started with a channel to its parent (`wherry up`), it ends with the parent.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { Client } from '../core/client.ts'
import { systemPorts } from '../core/system-ports.ts'
import { startAgent } from './agent.ts'
import { type ApiConnection, connectApi } from './api-connection.ts'
import { type JoinConfig, loadConfig, networkConfigOf, pathsOf } from './config.ts'
import { startNetwork } from './network/network.ts'
import { ensureContainerd, keepContainerd } from './runtime/containerd.ts'
import { connectRuntime } from './runtime/cri.ts'

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (values.config === undefined) {
  process.stderr.write('usage: node node-agent/main.ts --config FILE\n')
  process.exit(2)
}
const config = await loadConfig(values.config)
const logger = pino({ level: config.logLevel ?? 'info', base: { component: 'node-agent' } })
const ports = systemPorts(logger)

// A failure of one pod must not end the others' agent; what it was is in the log.
process.on('unhandledRejection', (error) => ports.log.error({ error: String(error) }, 'an unhandled rejection'))

await run(config).catch((error: unknown) => {
  ports.log.error({ error: String(error) }, 'the node agent could not start')
  process.exit(1)
})

async function run(config: JoinConfig): Promise<void> {
  const paths = pathsOf(config.dataDir)
  await mkdir(paths.pods, { recursive: true, mode: 0o700 })
  const read = (file: string) => readFile(file, 'utf8')
  const [ca, cert, key] = await Promise.all([read(config.caFile), read(config.certFile), read(config.keyFile)])
  const connection = connectApi({ url: config.apiServer, ca, cert, key, ports })
  const client = new Client(connection.send)
  const proxy = await proxyConnection(config, ca)
  const proxyClient = proxy === undefined ? client : new Client(proxy.send)
  // The runtime starts while the network is set up.
  const [{ socket }, network] = await Promise.all([
    ensureContainerd(config, ports),
    startNetwork({ client: proxyClient, nodeClient: client, ports, config: networkConfigOf(config) })
  ])
  const runtime = connectRuntime(socket, ports)
  const serving = {
    cert: config.servingCertFile === undefined ? cert : await read(config.servingCertFile),
    key: config.servingKeyFile === undefined ? key : await read(config.servingKeyFile)
  }
  const agent = await startAgent({
    config,
    client,
    runtime,
    ports,
    tls: { ca, ...serving },
    networkReady: () => network.ready()
  })
  ports.log.info({ node: config.nodeName, port: agent.port }, 'the node agent runs')
  void keepContainerd(config, ports)
  const end = async () => {
    await agent.close()
    await network.close()
    runtime.close()
    connection.close()
    proxy?.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(signal, () => void end())
}

async function proxyConnection(config: JoinConfig, ca: string): Promise<ApiConnection | undefined> {
  const { proxyCertFile, proxyKeyFile } = config
  if (proxyCertFile === undefined || proxyKeyFile === undefined) return undefined
  const [cert, key] = await Promise.all([readFile(proxyCertFile, 'utf8'), readFile(proxyKeyFile, 'utf8')])
  return connectApi({ url: config.apiServer, ca, cert, key, ports })
}
