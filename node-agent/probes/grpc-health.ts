/** grpc.health.v1.Health/Check, whose two messages are small enough to write by hand. */
import * as grpc from '@grpc/grpc-js'
import type { ProbeResult } from './run-probe.ts'

const SERVING = 1
const STATUS_WORDS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

export function checkHealth(
  address: string,
  service: string,
  limits: { readonly timeoutMs: number; readonly now: number }
): Promise<ProbeResult> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure())
  return new Promise((resolve) => {
    const finish = (result: ProbeResult) => {
      client.close()
      resolve(result)
    }
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      requestBytes,
      statusOf,
      service,
      new grpc.Metadata(),
      { deadline: limits.now + limits.timeoutMs },
      (error, status) => {
        if (error !== null) finish({ result: 'failure', output: failureText(error, { address, service, ...limits }) })
        else if (status === SERVING) finish({ result: 'success' })
        else {
          const word = STATUS_WORDS[status ?? 0] ?? String(status)
          finish({ result: 'failure', output: `service unhealthy (responded with "${word}")` })
        }
      }
    )
  })
}

function failureText(error: grpc.ServiceError, what: { address: string; service: string; timeoutMs: number }): string {
  if (error.code === grpc.status.DEADLINE_EXCEEDED || error.code === grpc.status.UNAVAILABLE) {
    return `timeout: failed to connect service "${what.address}" within ${what.timeoutMs / 1000}s: context deadline exceeded`
  }
  if (error.code === grpc.status.UNIMPLEMENTED) {
    return 'error: this server does not implement the grpc health protocol (grpc.health.v1.Health)'
  }
  return `error: health rpc failed: ${error.details}`
}

/** HealthCheckRequest: field 1, the service's name. */
function requestBytes(service: string): Buffer {
  const name = Buffer.from(service)
  return name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name])
}

/** HealthCheckResponse: field 1, a small number. */
function statusOf(bytes: Buffer): number {
  return bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0
}
