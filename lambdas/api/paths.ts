/** What is no resource: health, version, discovery, OpenAPI, and paths that others add. */
import type { ApiRequest, ApiResponse, UserInfo } from '../../core/http.ts'
import { errorAnswer, valueAnswer } from './answers.ts'
import type { Discovery } from './discovery.ts'
import { methodNotAllowed } from './failures.ts'
import { type HealthSources, health, isHealthPath } from './health.ts'
import type { RequestMetrics } from './metrics.ts'

/** What answers a path, once RBAC has let its user in. */
export type PathHandler = (request: ApiRequest, user: UserInfo) => ApiResponse | Promise<ApiResponse>

/** By path, whose last part may be "*": the answer to a GET, or to a POST. */
export type Paths = Readonly<Record<string, PathHandler | { readonly post: PathHandler }>>

interface Sources extends HealthSources {
  readonly metrics: RequestMetrics
  readonly discovery: Discovery
  readonly paths: Paths
  readonly user: UserInfo
}

/** The version that this server behaves as. */
export const VERSION = {
  major: '1',
  minor: '35',
  emulationMajor: '1',
  emulationMinor: '35',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '34',
  gitVersion: 'v1.35.4',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`
}

/** undefined: there is no such path. */
export async function plainPath(request: ApiRequest, sources: Sources): Promise<ApiResponse | undefined> {
  const { discovery, paths, user } = sources
  const path = request.path.length > 1 ? request.path.replace(/\/+$/, '') : request.path
  // These answer whatever the method is.
  if (isHealthPath(path)) return await health(request, request.path, sources)
  if (path === '/metrics') return isReading(request) ? await sources.metrics.answer() : notAllowed()
  if (path === '/version') return reading(request, () => valueAnswer(200, VERSION))
  const further = furtherPath(paths, path)
  if (further !== undefined) {
    if (typeof further === 'function') return isReading(request) ? await further(request, user) : notAllowed()
    return request.method === 'POST' ? await further.post(request, user) : notAllowed()
  }
  if (path === '/openapi/v3' || path.startsWith('/openapi/v3/')) {
    const { openApi } = await import('./openapi.ts')
    return openApi(request, path, discovery.kinds)
  }
  if (path === '/openapi/v2') {
    const { openApiV2 } = await import('./openapi-v2.ts')
    return openApiV2(request, discovery.kinds)
  }
  if (path === '/apis' || /^\/apis\/[^/]+$/.test(path)) return discovery.answer(request, path)
  return reading(request, () => discovery.answer(request, path))
}

function furtherPath(paths: Paths, path: string): Paths[string] | undefined {
  if (Object.hasOwn(paths, path)) return paths[path]
  const parent = `${path.slice(0, path.lastIndexOf('/'))}/*`
  return Object.hasOwn(paths, parent) ? paths[parent] : undefined
}

function isReading({ method }: ApiRequest): boolean {
  return method === 'GET' || method === 'HEAD'
}

function notAllowed(): ApiResponse {
  return errorAnswer(methodNotAllowed())
}

function reading(request: ApiRequest, answer: () => ApiResponse | undefined): ApiResponse | undefined {
  const response = answer()
  return response === undefined || isReading(request) ? response : notAllowed()
}
