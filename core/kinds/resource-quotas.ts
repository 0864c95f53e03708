import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { canonicalQuantity } from '../quantity.ts'
import { type Errors, IMMUTABLE } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { roundResources } from './resource-lists.ts'
import { checkQuantity, checkResourceName, isHugePages, STANDARD_RESOURCES } from './resource-rules.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import type { Quantity, ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from './types.ts'

const asQuota = (object: KubeObject) => object as unknown as ResourceQuota

const COMPUTE = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']
const ANY_POD = ['pods', ...COMPUTE]

/** Which resources a scope can be applied to. */
const SCOPES: Readonly<Record<string, readonly string[]>> = {
  Terminating: ANY_POD,
  NotTerminating: ANY_POD,
  BestEffort: ['pods'],
  NotBestEffort: ANY_POD,
  PriorityClass: ANY_POD,
  CrossNamespacePodAffinity: ANY_POD,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage']
}
const CONFLICTS = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating']
]
/** Their operator is Exists. */
const PLAIN_SCOPES = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity']

function isQuotaResource(name: string): boolean {
  return (STANDARD_RESOURCES.has(name) && name !== 'storage') || isHugePages(name.replace(/^requests\./, ''))
}

function checkAmounts(list: Readonly<Record<string, Quantity>> | undefined, path: string, errors: Errors): void {
  for (const [name, value] of Object.entries(list ?? {})) {
    const at = `${path}[${name}]`
    checkResourceName(name, at, errors)
    if (!name.includes('/') && !isQuotaResource(name))
      errors.push(invalid(at, name, 'must be a standard resource for quota'))
    checkQuantity(name, value, { path: at, errors })
  }
}

function fits(scope: string, resource: string): boolean {
  const allowed = Object.hasOwn(SCOPES, scope) ? SCOPES[scope] : undefined
  return allowed === undefined || !isQuotaResource(resource) || allowed.includes(resource)
}

function checkScopes({ scopes = [], hard = {} }: ResourceQuotaSpec, errors: Errors): void {
  const path = 'spec.scopes'
  const refuse = (why: string) => void errors.push(invalid(path, scopes, why))
  for (const scope of scopes) {
    if (!Object.hasOwn(SCOPES, scope)) refuse('unsupported scope')
    for (const resource of Object.keys(hard))
      if (!fits(scope, resource)) refuse('unsupported scope applied to resource')
  }
  for (const pair of CONFLICTS) if (pair.every((scope) => scopes.includes(scope))) refuse('conflicting scopes')
}

function checkSelector(spec: ResourceQuotaSpec, errors: Errors): void {
  const { scopeSelector: selector, hard = {}, scopes } = spec
  if (selector === undefined) return
  const path = 'spec.scopeSelector.matchExpressions'
  const requirements = selector.matchExpressions ?? []
  for (const requirement of requirements) {
    const scope = requirement.scopeName
    if (!Object.hasOwn(SCOPES, scope)) errors.push(invalid(`${path}.scopeName`, scope, 'unsupported scope'))
    for (const resource of Object.keys(hard))
      if (!fits(scope, resource))
        errors.push(invalid(path, goStruct('ScopeSelector', selector), 'unsupported scope applied to resource'))
    checkRequirement(requirement, path, errors)
  }
  const named = requirements.map(({ scopeName }) => scopeName)
  for (const pair of CONFLICTS)
    if (pair.every((scope) => named.includes(scope)))
      errors.push(invalid('spec.scopeSelector.scopes', scopes ?? null, 'conflicting scopes'))
}

function checkRequirement(requirement: ScopedResourceSelectorRequirement, path: string, errors: Errors): void {
  const { scopeName, operator, values = [] } = requirement
  if (PLAIN_SCOPES.includes(scopeName) && operator !== 'Exists')
    errors.push(
      invalid(
        `${path}.operator`,
        operator,
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
      )
    )
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0)
      errors.push(
        required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector")
      )
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0)
      errors.push(
        invalid(
          `${path}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        )
      )
  } else errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
}

function checkSpec(spec: ResourceQuotaSpec, errors: Errors): void {
  checkAmounts(spec.hard, 'spec.hard', errors)
  checkScopes(spec, errors)
  checkSelector(spec, errors)
}

/** "cpu: 100m/1, pods: 1/3": what is used of each. */
function usage({ status = {} }: ResourceQuota, limits: boolean): string {
  const { hard = {}, used = {} } = status
  return Object.keys(hard)
    .sort()
    .filter((name) => name.startsWith('limits.') === limits)
    .map((name) => `${name}: ${canonicalQuantity(used[name] ?? 0)}/${canonicalQuantity(hard[name] ?? 0)}`)
    .join(', ')
}

const rules: Rules = {
  ...specAndStatus(),
  defaults: (object) => {
    const { spec, status } = asQuota(object)
    roundResources(spec?.hard)
    roundResources(status?.hard)
    roundResources(status?.used)
  },
  validate: (object) => {
    const errors: FieldError[] = []
    checkSpec(asQuota(object).spec ?? {}, errors)
    return errors
  },
  validateUpdate: (next, old) => {
    const [now, before] = [next, old].map((object) => new Set(asQuota(object).spec?.scopes))
    if (now?.size === before?.size && [...(now ?? [])].every((scope) => before?.has(scope))) return []
    return [invalid('spec.scopes', asQuota(next).spec?.scopes ?? null, IMMUTABLE)]
  },
  validateStatus: (next) => {
    const errors: FieldError[] = []
    checkAmounts(asQuota(next).status?.hard, 'status.hard', errors)
    checkAmounts(asQuota(next).status?.used, 'status.used', errors)
    return errors
  },
  cells: (object, now) => {
    const quota = asQuota(object)
    return [
      quota.metadata.name ?? '',
      usage(quota, false),
      usage(quota, true),
      age(quota.metadata.creationTimestamp, now)
    ]
  }
}

export const quotaKinds: readonly Kind[] = [row('v1', 'resourcequotas', rules)]
