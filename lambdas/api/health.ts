/** /healthz, /livez and /readyz: each check by itself, or all, told one by one with ?verbose; ?exclude leaves some out. */
import { goQuote } from '../../core/go-text.ts'
import type { ApiRequest, ApiResponse } from '../../core/http.ts'
import type { Clock } from '../../core/ports.ts'
import type { StoreApi } from '../../store/store.ts'

export interface HealthSources {
  readonly store: StoreApi
  readonly clock: Clock
}

/** Resolves where all is well. */
type Check = (sources: HealthSources) => Promise<void>

/** A store that does not answer a read for so long is ill, in milliseconds. */
const PATIENCE_MS = 2_000

const well: Check = async () => {}

async function storeAnswers({ store, clock }: HealthSources): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = clock.after(PATIENCE_MS, () => reject(new Error('the store does not answer')))
  try {
    await Promise.race([store.version('namespaces'), promise])
  } finally {
    timer.cancel()
  }
}

/** By the names that probes of Kubernetes know. The server answers only once all that is started with it has been. */
const LIVE: readonly (readonly [string, Check])[] = [
  ['ping', well],
  ['log', well],
  ['etcd', storeAnswers],
  ['poststarthook/rbac/bootstrap-roles', well],
  ['poststarthook/scheduling/bootstrap-system-priority-classes', well],
  ['poststarthook/bootstrap-controller', well]
]
const CHECKS: Readonly<Record<string, readonly (readonly [string, Check])[]>> = {
  healthz: LIVE,
  livez: LIVE,
  readyz: [...LIVE, ['etcd-readiness', storeAnswers], ['informer-sync', well], ['shutdown', well]]
}

export function isHealthPath(path: string): boolean {
  return Object.hasOwn(CHECKS, path.split('/', 2)[1] ?? '')
}

/** undefined: there is no such check. */
export async function health(
  request: ApiRequest,
  path: string,
  sources: HealthSources
): Promise<ApiResponse | undefined> {
  const [, name = '', ...rest] = path.split('/')
  const checks = CHECKS[name] ?? []
  if (rest.length > 0) {
    const check = checks.find(([one]) => one === rest.join('/'))
    return check === undefined ? undefined : await single(check[1], sources)
  }
  const excluded = new Set(request.query.getAll('exclude').filter((one) => one !== ''))
  const lines: string[] = []
  let failed = false
  for (const [one, check] of checks) {
    if (excluded.delete(one)) {
      lines.push(`[+]${one} excluded: ok\n`)
      continue
    }
    const isWell = await check(sources).then(
      () => true,
      () => false
    )
    if (!isWell) failed = true
    lines.push(isWell ? `[+]${one} ok\n` : `[-]${one} failed: reason withheld\n`)
  }
  if (excluded.size > 0) {
    const names = [...excluded].map(goQuote).join(',')
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}\n`)
  }
  if (failed) return plain(500, `${lines.join('')}${name} check failed\n`)
  return plain(200, request.query.has('verbose') ? `${lines.join('')}${name} check passed\n` : 'ok')
}

async function single(check: Check, sources: HealthSources): Promise<ApiResponse> {
  try {
    await check(sources)
    return plain(200, 'ok')
  } catch (error) {
    return plain(500, `internal server error: ${error instanceof Error ? error.message : String(error)}\n`)
  }
}

function plain(status: number, text: string): ApiResponse {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }
  return { status, headers, body: { text } }
}
