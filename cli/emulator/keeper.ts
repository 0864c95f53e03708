/**
 * Keeps a cluster's emulator and the TLS proxy in front of it, as a process of its own: what `deploy --emulator` starts
 * and `destroy --emulator` ends.
 */
import { rmSync } from 'node:fs'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { loadOrCreateKeys } from '../../lambdas/api/keys.ts'
import { type LocalMessage, type LocalRecord, localPaths } from '../aws/local.ts'
import { writeAtomically } from '../files.ts'
import { startTicks } from '../running.ts'
import { explain } from '../terminal.ts'
import { dockerAnswers, type RunningEmulator, startLocalstack } from './localstack.ts'
import { ministack } from './ministack.ts'
import { freePort, startProcess } from './process.ts'
import { STAGE, startProxy } from './proxy.ts'

const name = process.argv[2] ?? ''
const paths = localPaths(name)

/** AWS_ENDPOINT_URL names one; else LocalStack where a Docker engine runs; else ministack. */
async function startEmulator(): Promise<RunningEmulator & Pick<LocalRecord, 'emulator'>> {
  const given = process.env.AWS_ENDPOINT_URL
  if (given !== undefined && given !== '') {
    return { endpoint: given, emulator: 'given', ended: new Promise(() => {}), stop: async () => {} }
  }
  if (await dockerAnswers()) return { ...(await startLocalstack()), emulator: 'LocalStack' }
  const port = await freePort()
  return { ...(await startProcess(await ministack(port), `http://127.0.0.1:${port}`)), emulator: 'ministack' }
}

async function keep(): Promise<void> {
  const keys = await loadOrCreateKeys(paths.keys, { hosts: [], ports: systemPorts(silentLog) })
  const { endpoint, emulator, ended, stop } = await startEmulator()
  const port = await freePort()
  const proxy = await startProxy({ port, tls: keys.server, endpoint, apiIdFile: paths.apiId })
  const end = async (code: number) => {
    proxy.close()
    rmSync(paths.record, { force: true })
    await stop().catch(() => {})
    process.exit(code)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => void end(0))
  void ended.then(async () => await end(1))
  const record: LocalRecord = {
    pid: process.pid,
    startTicks: startTicks(process.pid) ?? '',
    endpoint,
    emulator,
    server: `https://127.0.0.1:${port}/${STAGE}`
  }
  writeAtomically(paths.record, `${JSON.stringify(record)}\n`)
}

try {
  await keep()
  const ready: LocalMessage = { ready: true }
  process.send?.(ready, undefined, undefined, () => {})
} catch (error) {
  const failed: LocalMessage = { failed: explain(error).message }
  process.send?.(failed, undefined, undefined, () => process.exit(1))
}
