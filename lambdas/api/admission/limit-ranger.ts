/** Gives containers the requests and limits that their namespace's limit ranges name, and holds pods and claims to them. */
import { podTotals } from '../../../core/kinds/pod-resources.ts'
import type { ResourceList } from '../../../core/kinds/resource-lists.ts'
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../../core/kinds/types.ts'
import { canonicalQuantity, compareQuantities, quantityMilli, quantityText } from '../../../core/quantity.ts'
import type { StoreApi } from '../../../store/store.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { refuse } from './refuse.ts'

const RANGES = 'limitranges'
const ANNOTATION = 'kubernetes.io/limit-ranger'

export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  resources: ['pods', 'persistentvolumeclaims'],
  async mutate(request) {
    const { kind, operation, subresource } = request
    if (kind.storage !== 'pods' || operation !== 'CREATE' || subresource !== undefined) return
    for (const range of await rangesOf(request)) setDefaults(range, request.object as unknown as Pod)
  },
  async validate(request) {
    const check = checkOf(request)
    if (check === undefined || request.old?.metadata.deletionTimestamp !== undefined) return
    for (const range of await rangesOf(request)) {
      const problems = [...new Set((range.spec?.limits ?? []).flatMap(check))]
      if (problems.length === 0) continue
      throw refuse(request, problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`)
    }
  }
}

/** What one item of a limit range has against the object; undefined: limit ranges do not concern it. */
function checkOf({ kind, operation, subresource, object }: AdmissionRequest) {
  if (operation !== 'CREATE' && operation !== 'UPDATE') return undefined
  if (kind.storage === 'pods') {
    if (operation === 'UPDATE' ? subresource !== 'resize' : subresource !== undefined) return undefined
    return (item: LimitRangeItem) => podProblems(item, object as unknown as Pod)
  }
  if (kind.storage !== 'persistentvolumeclaims' || subresource !== undefined) return undefined
  return (item: LimitRangeItem) => claimProblems(item, object as unknown as PersistentVolumeClaim)
}

/** By namespace; most have none, and every pod asks. Dropped when a limit range changes. */
const known = new WeakMap<StoreApi, Map<string, Promise<readonly LimitRange[]>>>()

async function rangesOf({ store, namespace = '' }: AdmissionRequest): Promise<readonly LimitRange[]> {
  let ranges = known.get(store)
  if (ranges === undefined) {
    const fresh = new Map<string, Promise<readonly LimitRange[]>>()
    store.onChange((changes) => {
      for (const { resource, key } of changes) if (resource === RANGES) fresh.delete(key.slice(0, key.indexOf('/')))
    })
    known.set(store, fresh)
    ranges = fresh
  }
  let found = ranges.get(namespace)
  if (found === undefined) {
    found = store
      .list(RANGES, { prefix: `${namespace}/` })
      .then(({ entries }) => entries.map((entry) => entry.value as unknown as LimitRange))
    ranges.set(namespace, found)
    found.catch(() => ranges.delete(namespace))
  }
  return await found
}

function setDefaults({ spec }: LimitRange, pod: Pod): void {
  const requests: ResourceList = {}
  const limits: ResourceList = {}
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue
    Object.assign(requests, item.defaultRequest)
    Object.assign(limits, item.default)
  }
  const notes: string[] = []
  for (const container of pod.spec?.containers ?? []) fill(container, 'container', { requests, limits, notes })
  for (const container of pod.spec?.initContainers ?? []) fill(container, 'init container', { requests, limits, notes })
  if (notes.length === 0) return
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}`
  }
}

function fill(
  container: Container,
  what: string,
  defaults: { readonly requests: ResourceList; readonly limits: ResourceList; readonly notes: string[] }
): void {
  container.resources ??= {}
  const { resources } = container
  for (const list of ['requests', 'limits'] as const) {
    const missing = Object.keys(defaults[list]).filter((name) => resources[list]?.[name] === undefined)
    if (missing.length === 0) continue
    const added = Object.fromEntries(missing.map((name) => [name, defaults[list][name] ?? 0]))
    resources[list] = { ...resources[list], ...added }
    const one = list === 'requests' ? 'request' : 'limit'
    defaults.notes.push(`${missing.sort().join(', ')} ${one} for ${what} ${container.name}`)
  }
}

function podProblems(item: LimitRangeItem, { spec }: Pod): string[] {
  if (item.type === 'Container')
    return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].flatMap(({ resources = {} }) =>
      problems(item, resources.requests ?? {}, resources.limits ?? {})
    )
  if (item.type !== 'Pod') return []
  const [requests, limits] = (['requests', 'limits'] as const).map((which) =>
    Object.fromEntries([...podTotals(spec, which)].map(([name, amount]) => [name, quantityText(amount)]))
  )
  return problems(item, requests ?? {}, limits ?? {})
}

function claimProblems(item: LimitRangeItem, { spec }: PersistentVolumeClaim): string[] {
  if (item.type !== 'PersistentVolumeClaim') return []
  const requests = spec?.resources?.requests ?? {}
  const least = Object.keys(item.min ?? {}).map((name) => belowMinimum(item, name, { requests, limits: {} }))
  const most = Object.entries(item.max ?? {}).map(([name, enforced]) => {
    const usage = `maximum ${name} usage per ${item.type} is ${canonicalQuantity(enforced)}`
    const request = requests[name]
    if (request === undefined) return `${usage}.  No request is specified`
    return compareQuantities(request, enforced) > 0
      ? `${usage}, but request is ${canonicalQuantity(request)}`
      : undefined
  })
  return [...least, ...most].filter((problem) => problem !== undefined)
}

interface Given {
  readonly requests: ResourceList
  readonly limits: ResourceList
}

function problems(item: LimitRangeItem, requests: ResourceList, limits: ResourceList): string[] {
  const given = { requests, limits }
  return [
    ...Object.keys(item.min ?? {}).map((name) => belowMinimum(item, name, given)),
    ...Object.keys(item.max ?? {}).map((name) => aboveMaximum(item, name, given)),
    ...Object.keys(item.maxLimitRequestRatio ?? {}).map((name) => aboveRatio(item, name, given))
  ].filter((problem) => problem !== undefined)
}

function belowMinimum(item: LimitRangeItem, name: string, { requests, limits }: Given): string | undefined {
  const enforced = item.min?.[name] ?? 0
  const usage = `minimum ${name} usage per ${item.type} is ${canonicalQuantity(enforced)}`
  const [request, limit] = [requests[name], limits[name]]
  if (request === undefined) return `${usage}.  No request is specified`
  if (compareQuantities(request, enforced) < 0) return `${usage}, but request is ${canonicalQuantity(request)}`
  if (limit === undefined || compareQuantities(limit, enforced) >= 0) return undefined
  return `${usage}, but limit is ${canonicalQuantity(limit)}`
}

function aboveMaximum(item: LimitRangeItem, name: string, { requests, limits }: Given): string | undefined {
  const enforced = item.max?.[name] ?? 0
  const usage = `maximum ${name} usage per ${item.type} is ${canonicalQuantity(enforced)}`
  const [request, limit] = [requests[name], limits[name]]
  if (limit === undefined) return `${usage}.  No limit is specified`
  if (compareQuantities(limit, enforced) > 0) return `${usage}, but limit is ${canonicalQuantity(limit)}`
  if (request === undefined || compareQuantities(request, enforced) <= 0) return undefined
  return `${usage}, but request is ${canonicalQuantity(request)}`
}

function aboveRatio(item: LimitRangeItem, name: string, { requests, limits }: Given): string | undefined {
  const enforced = item.maxLimitRequestRatio?.[name] ?? 0
  const usage = `${name} max limit to request ratio per ${item.type} is ${canonicalQuantity(enforced)}`
  const request = quantityMilli(requests[name] ?? 0)
  const limit = quantityMilli(limits[name] ?? 0)
  if (request === 0) return `${usage}, but no request is specified or request is 0`
  if (limit === 0) return `${usage}, but no limit is specified or limit is 0`
  const ratio = limit / request
  return ratio * 1000 > quantityMilli(enforced) ? `${usage}, but provided ratio is ${ratio.toFixed(6)}` : undefined
}
