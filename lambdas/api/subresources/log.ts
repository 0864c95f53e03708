/** GET pods/NAME/log: checked here, read from the agent of the pod's node, passed on as it comes. */
import { ApiError, type FieldError } from '../../../core/errors.ts'
import { forbidden, invalid, invalidError } from '../../../core/field-errors.ts'
import { goQuote } from '../../../core/go-text.ts'
import type { ContainerStatus, Pod } from '../../../core/kinds/types.ts'
import { badRequest, notFound } from '../failures.ts'
import { type Kubelet, kubeletFailure } from '../kubelet.ts'
import { truthy } from '../route.ts'
import type { ResourceHandler } from '../types.ts'

const FLAGS = ['follow', 'previous', 'timestamps'] as const
const NUMBERS = ['sinceSeconds', 'tailLines', 'limitBytes'] as const
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
/** Go's pattern of a time, which its message shows. */
const GO_TIME = '2006-01-02T15:04:05Z07:00'

export function logHandler(kubelet: Kubelet): ResourceHandler {
  return async ({ request, namespace = '', name = '' }, { store }) => {
    const entry = await store.get('pods', `${namespace}/${name}`)
    if (entry === undefined) throw notFound({ group: '', resource: 'pods' }, name)
    const pod = entry.value as unknown as Pod
    const query = logQuery(name, request.query)
    const container = containerOf(pod, request.query.get('container') ?? '')
    const node = pod.spec?.nodeName ?? ''
    // Nothing runs yet, and nobody can say more than that.
    if (node === '') return { status: 204, headers: {}, body: { text: '' } }
    const problem = () => logProblem(pod, container, query.has('previous'))
    const answer = await reach(
      () =>
        kubelet.get({
          node,
          path: `/containerLogs/${namespace}/${name}/${container}`,
          query,
          insecure: truthy(request.query.get('insecureSkipTLSVerifyBackend')),
          ...(request.signal === undefined ? {} : { signal: request.signal })
        }),
      problem
    )
    if (answer.status === 200) {
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: { stream: answer.body } }
    }
    const failure = await kubeletFailure(answer)
    const why = answer.status === 404 ? problem() : undefined
    throw why === undefined ? failure : badRequest(why)
  }
}

/** Where the agent cannot be reached, what the pod's status says is the better answer, if it explains the silence. */
async function reach<T>(ask: () => Promise<T>, problem: () => string | undefined): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    const why = error instanceof ApiError && error.reason === 'InternalError' ? problem() : undefined
    throw why === undefined ? error : badRequest(why)
  }
}

/** The agent's query. Throws BadRequest for what is no number or time, Invalid for values out of range. */
export function logQuery(pod: string, given: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams()
  for (const flag of FLAGS) if (truthy(given.get(flag))) query.set(flag, 'true')
  const numbers: Partial<Record<(typeof NUMBERS)[number], number>> = {}
  for (const key of NUMBERS) {
    const text = given.get(key)
    if (text === null || text === '') continue
    numbers[key] = parseNumber(text)
    query.set(key, String(numbers[key]))
  }
  const sinceTime = given.get('sinceTime') ?? ''
  if (sinceTime !== '') {
    if (!RFC3339.test(sinceTime) || Number.isNaN(Date.parse(sinceTime)))
      throw badRequest(
        `parsing time ${goQuote(sinceTime)} as ${goQuote(GO_TIME)}: cannot parse ${goQuote(sinceTime)} as "2006"`
      )
    query.set('sinceTime', sinceTime)
  }
  const errors = checkNumbers(numbers, sinceTime !== '')
  if (errors.length > 0) throw invalidError({ group: '', kind: 'PodLogOptions' }, pod, errors)
  return query
}

function parseNumber(text: string): number {
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw badRequest(`strconv.ParseInt: parsing ${goQuote(text)}: invalid syntax`)
}

function checkNumbers(
  { tailLines, limitBytes, sinceSeconds }: Partial<Record<(typeof NUMBERS)[number], number>>,
  hasTime: boolean
): FieldError[] {
  const errors: FieldError[] = []
  if (tailLines !== undefined && tailLines < 0)
    errors.push(invalid('tailLines', tailLines, 'must be greater than or equal to 0'))
  if (limitBytes !== undefined && limitBytes < 1)
    errors.push(invalid('limitBytes', limitBytes, 'must be greater than 0'))
  if (sinceSeconds !== undefined && hasTime)
    // Kubernetes puts it at a path without a name, which prints so.
    errors.push(forbidden('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    errors.push(invalid('sinceSeconds', sinceSeconds, 'must be greater than 0'))
  return errors
}

/** The container that is meant: for logs, exec and attach alike. Throws BadRequest. */
export function containerOf(pod: Pod, wanted: string): string {
  const name = pod.metadata.name ?? ''
  const { spec } = pod
  const containers = spec?.containers ?? []
  const all = [...(spec?.initContainers ?? []), ...containers, ...(spec?.ephemeralContainers ?? [])]
  const names = all.map((container) => container.name)
  if (wanted !== '') {
    if (names.includes(wanted)) return wanted
    throw badRequest(`container ${wanted} is not valid for pod ${name}`)
  }
  const [only, ...others] = containers
  if (only !== undefined && others.length === 0) return only.name
  const choice = only === undefined ? '' : `, choose one of: [${names.join(' ')}]`
  throw badRequest(`a container name must be specified for pod ${name}${choice}`)
}

/** Why there is no log, in the kubelet's words; undefined where there should be one. */
export function logProblem(pod: Pod, container: string, previous: boolean): string | undefined {
  const what = `container ${goQuote(container)} in pod ${goQuote(pod.metadata.name ?? '')}`
  const status = statusOf(pod, container)
  if (status === undefined) {
    // A pod that nobody has reported on yet is about to be made; the kubelet would say the same a moment later.
    const isOver = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded'
    return pod.status?.containerStatuses === undefined && !isOver
      ? `${what} is waiting to start: ContainerCreating`
      : `${what} is not available`
  }
  const last = status.lastState?.terminated
  const { running, terminated, waiting } = status.state ?? {}
  if (previous) return isSet(last?.containerID) ? undefined : `previous terminated ${what} not found`
  if (running !== undefined) return undefined
  if (terminated !== undefined || last !== undefined)
    return isSet(terminated?.containerID) || isSet(last?.containerID) ? undefined : `${what} is terminated`
  switch (waiting?.reason) {
    case undefined:
      return `${what} is waiting to start - no logs yet`
    case 'ErrImagePull':
      return `${what} is waiting to start: image can't be pulled`
    case 'ImagePullBackOff':
      return `${what} is waiting to start: trying and failing to pull image`
    default:
      return `${what} is waiting to start: ${waiting?.reason}`
  }
}

function statusOf({ status }: Pod, container: string): ContainerStatus | undefined {
  const all = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? [])
  ]
  return all.find((entry) => entry.name === container)
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== ''
}
