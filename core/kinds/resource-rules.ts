/** Names of compute resources, and validation of requests and limits. */
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notFound, notSupported, required } from '../field-errors.ts'
import { isQualifiedName } from '../names.ts'
import { canonicalQuantity, parseQuantity, quantityMilli } from '../quantity.ts'
import { checkLabel, complaints, type Errors, NEGATIVE } from './checks.ts'
import type { Quantity, ResourceClaim, ResourceRequirements } from './types.ts'

export const CONTAINER_RESOURCES: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage'])
const QUOTA_COUNTS = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers'
]
const INTEGER_RESOURCES: ReadonlySet<string> = new Set(QUOTA_COUNTS)
export const STANDARD_RESOURCES: ReadonlySet<string> = new Set([
  ...QUOTA_COUNTS,
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'storage',
  'requests.storage'
])

export function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-')
}

/** Kubernetes' own: without a prefix, or with one of its own domain. */
export function isNativeResource(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/')
}

/** A device plugin's or an operator's: "example.com/gpu". */
export function isExtendedResource(name: string): boolean {
  return !isNativeResource(name) && !name.startsWith('requests.') && isQualifiedName(`requests.${name}`).length === 0
}

/** Whether requests may be below limits: not for what cannot be shared. */
export function isOvercommitAllowed(name: string): boolean {
  return isNativeResource(name) && !isHugePages(name)
}

export function checkResourceName(name: string, path: string, errors: Errors): boolean {
  const messages = isQualifiedName(name)
  errors.push(...complaints(path, name, messages))
  if (messages.length > 0) return false
  if (name.includes('/') || STANDARD_RESOURCES.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-'))
    return true
  errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'))
  return false
}

export function checkContainerResourceName(name: string, path: string, errors: Errors): void {
  if (CONTAINER_RESOURCES.has(name)) return
  checkResourceName(name, path, errors)
  if (!name.includes('/')) {
    if (!isHugePages(name)) errors.push(invalid(path, name, 'must be a standard resource for containers'))
  } else if (!isNativeResource(name) && !isExtendedResource(name))
    errors.push(invalid(path, name, "doesn't follow extended resource name standard"))
}

export function isPodLevelResource(name: string): boolean {
  return name === 'cpu' || name === 'memory' || isHugePages(name)
}

function checkPodResourceName(name: string, path: string, errors: Errors): void {
  if (!checkResourceName(name, path, errors)) return
  if (!isPodLevelResource(name)) errors.push(notSupported(path, name, ['cpu', 'memory']))
}

/** An amount that the resource can have: not negative, and whole where pieces are counted. */
export function checkQuantity(
  resource: string,
  value: Quantity,
  { path, errors }: { path: string; errors: Errors }
): void {
  if (parseQuantity(value).nano < 0n) errors.push(invalid(path, canonicalQuantity(value), NEGATIVE))
  if (CONTAINER_RESOURCES.has(resource)) return
  if ((INTEGER_RESOURCES.has(resource) || isExtendedResource(resource)) && quantityMilli(value) % 1000 !== 0)
    errors.push(invalid(path, canonicalQuantity(value), 'must be an integer'))
}

function checkHugePagesValue(resource: string, value: Quantity, path: string): FieldError | undefined {
  const size = parseQuantity(resource.slice('hugepages-'.length)).nano
  const { nano } = parseQuantity(value)
  if (size > 0n && nano % size === 0n) return undefined
  const text = canonicalQuantity(value)
  return invalid(path, text, `${text} is not positive integer multiple of ${resource}`)
}

export interface RequirementScope {
  readonly errors: Errors
  /** Names in the pod's spec.resourceClaims. */
  readonly claims: ReadonlySet<string>
  /** The pod's own requirements, which know fewer resources. */
  readonly podLevel?: boolean
}

/** Of a container, or (podLevel) of the whole pod. */
export function checkRequirements(
  requirements: ResourceRequirements | undefined,
  path: string,
  scope: RequirementScope
): void {
  if (requirements === undefined) return
  const { limits, requests, claims } = requirements
  let hugePages = false
  let computes = false
  const checkAmount = (name: string, value: Quantity, at: string) => {
    const { errors } = scope
    if (scope.podLevel === true) checkPodResourceName(name, at, errors)
    else checkContainerResourceName(name, at, errors)
    checkQuantity(name, value, { path: at, errors })
    if (name === 'cpu' || name === 'memory') computes = true
  }
  const checkHugePages = (name: string, value: Quantity, at: string) => {
    if (!isHugePages(name)) return
    hugePages = true
    const wrong = checkHugePagesValue(name, value, at)
    if (wrong !== undefined) scope.errors.push(wrong)
  }
  for (const name in limits) {
    const value = limits[name] ?? 0
    checkAmount(name, value, `${path}.limits[${name}]`)
    checkHugePages(name, value, `${path}.limits[${name}]`)
  }
  for (const name in requests) {
    const value = requests[name] ?? 0
    checkAmount(name, value, `${path}.requests[${name}]`)
    checkAgainstLimit({ name, value, limit: limits?.[name] }, path, scope.errors)
    checkHugePages(name, value, `${path}.requests[${name}]`)
  }
  if (hugePages && !computes) scope.errors.push(forbidden(path, 'HugePages require cpu or memory'))
  if (claims !== undefined) checkClaimNames(claims, `${path}.claims`, scope)
}

function checkAgainstLimit(
  { name, value, limit }: { name: string; value: Quantity; limit: Quantity | undefined },
  path: string,
  errors: Errors
): void {
  if (limit === undefined) {
    if (!isOvercommitAllowed(name))
      errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    return
  }
  if (value === limit) return
  const difference = parseQuantity(value).nano - parseQuantity(limit).nano
  if (difference === 0n) return
  const exact = !isOvercommitAllowed(name)
  if (!exact && difference < 0n) return
  const relation = exact ? 'equal to' : 'less than or equal to'
  const detail = `must be ${relation} ${name} limit of ${canonicalQuantity(limit)}`
  errors.push(invalid(`${path}.requests`, canonicalQuantity(value), detail))
}

function checkClaimNames(claims: readonly ResourceClaim[], path: string, { errors, claims: known }: RequirementScope) {
  const seen = new Set<string>()
  let names: string | undefined
  claims.forEach(({ name, request }, i) => {
    const at = `${path}[${i}]`
    if (!name) {
      errors.push(required(at))
      return
    }
    if (seen.has(name)) errors.push(duplicate(at, name))
    else {
      if (request) checkLabel(request, `${at}.request`, errors)
      const key = request ? `${name}/${request}` : name
      if (seen.has(key)) errors.push(duplicate(at, key))
      else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) errors.push(duplicate(at, name))
      seen.add(key)
    }
    if (!known.has(name)) {
      names ??= known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`
      errors.push({ ...notFound(at, name), detail: `must be one of the names in pod.spec.resourceClaims${names}` })
    }
  })
}
