/** Selectors of fields and resources, as environment variables and downward API volumes use them. */
import { invalid, notSupported, required } from '../field-errors.ts'
import { canonicalQuantity, parseQuantity } from '../quantity.ts'
import { checkQualifiedName, type Errors } from './checks.ts'
import type { ObjectFieldSelector, ResourceFieldSelector } from './types.ts'

export const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs'
]
export const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid'
]
/** What a field label of a pod may be at all (ConvertDownwardAPIFieldLabel). */
const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...ENV_FIELDS,
  ...VOLUME_FIELDS,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase'
])
const RESOURCE_FIELDS = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory'
]
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']

/** "metadata.labels['app']" or one of `allowed`. */
export function checkFieldRef(
  selector: ObjectFieldSelector,
  path: string,
  { allowed, errors }: { allowed: readonly string[]; errors: Errors }
): void {
  const { apiVersion = '', fieldPath = '' } = selector
  if (apiVersion === '') {
    errors.push(required(`${path}.apiVersion`))
    return
  }
  if (fieldPath === '') {
    errors.push(required(`${path}.fieldPath`))
    return
  }
  const wrong = (why: string) =>
    void errors.push(invalid(`${path}.fieldPath`, fieldPath, `error converting fieldPath: ${why}`))
  if (apiVersion !== 'v1') {
    wrong(`unsupported pod version: ${apiVersion}`)
    return
  }
  const open = fieldPath.endsWith("']") ? fieldPath.indexOf("['") : -1
  if (open > 0) {
    const base = fieldPath.slice(0, open)
    const subscript = fieldPath.slice(open + 2, -2)
    if (base === 'metadata.annotations') checkQualifiedName(subscript.toLowerCase(), path, errors)
    else if (base === 'metadata.labels') checkQualifiedName(subscript, path, errors)
    else wrong(`field label does not support subscript: ${fieldPath}`)
    return
  }
  const internal = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath
  if (!KNOWN_FIELDS.has(internal)) wrong(`field label not supported: ${fieldPath}`)
  else if (!allowed.includes(internal)) errors.push(notSupported(`${path}.fieldPath`, internal, allowed))
}

/** `named`: the container must be named, as in a volume. */
export function checkResourceFieldRef(
  selector: ResourceFieldSelector,
  path: string,
  { named, errors }: { named: boolean; errors: Errors }
): void {
  const { resource = '', containerName = '' } = selector
  if (named && containerName === '') errors.push(required(`${path}.containerName`))
  else if (resource === '') errors.push(required(`${path}.resource`))
  else if (!RESOURCE_FIELDS.includes(resource) && !isHugePagesField(resource))
    errors.push(notSupported(`${path}.resource`, resource, RESOURCE_FIELDS))
  checkDivisor(selector, path, errors)
}

function isHugePagesField(resource: string): boolean {
  return resource.startsWith('limits.hugepages-') || resource.startsWith('requests.hugepages-')
}

function checkDivisor({ resource = '', divisor }: ResourceFieldSelector, path: string, errors: Errors): void {
  if (divisor === undefined || parseQuantity(divisor).nano === 0n) return
  const text = canonicalQuantity(divisor)
  const kind = resource.slice(resource.indexOf('.') + 1)
  const refuse = (words: string) =>
    void errors.push(invalid(`${path}.divisor`, resource, `only divisor's values ${words}`))
  if (kind === 'cpu') {
    if (text !== '1m' && text !== '1') refuse('1m and 1 are supported with the cpu resource')
    return
  }
  if (BYTE_DIVISORS.includes(text)) return
  const all = BYTE_DIVISORS.join(', ')
  if (kind === 'memory') refuse(`${all} are supported with the memory resource`)
  else if (kind === 'ephemeral-storage') refuse(`${all} are supported with the local ephemeral storage resource`)
  else if (isHugePagesField(resource)) refuse(`${all} are supported with the hugepages resource`)
}
