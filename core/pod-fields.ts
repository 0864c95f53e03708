/** Fields of a pod that its containers may ask for: the downward API of environment variables and volumes. */
import { goQuote } from './go-text.ts'
import type { Container, Pod, ResourceFieldSelector } from './kinds/types.ts'
import { parseQuantity, type Quantity, quantityMilli, quantityNumber } from './quantity.ts'

/** What of a pod is known only on the node. */
export interface PodPlace {
  readonly podIPs: readonly string[]
  readonly hostIPs: readonly string[]
  /** The node's allocatable resources stand in for limits that are not set. */
  readonly allocatable: Readonly<Record<string, string>>
}

/** undefined: no such field. */
export function fieldValue(pod: Pod, path: string, place: PodPlace): string | undefined {
  const { metadata, spec } = pod
  const entry = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path)
  if (entry !== null) {
    const map = entry[1] === 'labels' ? metadata.labels : metadata.annotations
    return map?.[entry[2] ?? ''] ?? ''
  }
  const fields: Readonly<Record<string, () => string>> = {
    'metadata.name': () => metadata.name ?? '',
    'metadata.namespace': () => metadata.namespace ?? '',
    'metadata.uid': () => metadata.uid ?? '',
    'metadata.labels': () => formatMap(metadata.labels),
    'metadata.annotations': () => formatMap(metadata.annotations),
    'spec.nodeName': () => spec?.nodeName ?? '',
    'spec.serviceAccountName': () => spec?.serviceAccountName ?? '',
    'status.hostIP': () => place.hostIPs[0] ?? '',
    'status.hostIPs': () => place.hostIPs.join(','),
    'status.podIP': () => place.podIPs[0] ?? '',
    'status.podIPs': () => place.podIPs.join(',')
  }
  return fields[path]?.()
}

/** A line per entry, by key: key="value" with Go's escapes (fieldpath.FormatMap). */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  const keys = Object.keys(map ?? {}).sort()
  return keys.map((key) => `${key}=${goQuote(map?.[key] ?? '')}`).join('\n')
}

/** In units of the divisor, rounded up. */
export function resourceValue(pod: Pod, container: Container, from: ResourceFieldSelector & PodPlace): string {
  const { containerName } = from
  const owner = containerName === undefined || containerName === '' ? container : containerNamed(pod, containerName)
  const [kind = '', ...rest] = from.resource.split('.')
  const resource = rest.join('.')
  const resources = owner?.resources
  const own = kind === 'limits' ? resources?.limits?.[resource] : resources?.requests?.[resource]
  const amount = own ?? (kind === 'limits' ? from.allocatable[resource] : undefined) ?? '0'
  const divisor = from.divisor === undefined || isZero(from.divisor) ? '1' : from.divisor
  if (resource === 'cpu') return String(Math.ceil(quantityMilli(amount) / quantityMilli(divisor)))
  return String(Math.ceil(quantityNumber(amount) / quantityNumber(divisor)))
}

function isZero(quantity: string | number): boolean {
  const parsed: Quantity = parseQuantity(quantity)
  return parsed.nano === 0n
}

function containerNamed({ spec }: Pod, name: string): Container | undefined {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])]
  return all.find((container) => container.name === name)
}
