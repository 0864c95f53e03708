/** What webhooks and admission policies share: the requests that they concern. */
import { duplicate, invalid, notSupported, required, tooMany } from '../field-errors.ts'
import { isPathSegmentName } from '../names.ts'
import { checkLabelSelector, checkQualifiedName, complaints, type Errors } from './checks.ts'
import type { MatchCondition, MatchResources, NamedRuleWithOperations, RuleWithOperations } from './types.ts'

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const SCOPES = ['*', 'Cluster', 'Namespaced']
export const FAILURE_POLICIES = ['Fail', 'Ignore']
export const MATCH_POLICIES = ['Equivalent', 'Exact']
const MOST_CONDITIONS = 64

export function defaultRules(rules: readonly RuleWithOperations[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*'
}

export function checkRule(rule: RuleWithOperations, path: string, errors: Errors): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule
  checkAlone(operations, `${path}.operations`, { what: 'operations', errors })
  operations.forEach((operation, i) => {
    if (!OPERATIONS.includes(operation)) errors.push(notSupported(`${path}.operations[${i}]`, operation, OPERATIONS))
  })
  checkAlone(apiGroups, `${path}.apiGroups`, { what: 'API groups', errors })
  checkAlone(apiVersions, `${path}.apiVersions`, { what: 'API versions', errors })
  apiVersions.forEach((version, i) => {
    if (version === '') errors.push(required(`${path}.apiVersions[${i}]`))
  })
  checkResources(resources, `${path}.resources`, errors)
  if (scope !== undefined && !SCOPES.includes(scope)) errors.push(notSupported(`${path}.scope`, scope, SCOPES))
}

/** At least one; and "*" needs no others. */
function checkAlone(list: readonly string[], path: string, { what, errors }: { what: string; errors: Errors }): void {
  if (list.length === 0) errors.push(required(path))
  if (list.length > 1 && list.includes('*'))
    errors.push(invalid(path, list, `if '*' is present, must not specify other ${what}`))
}

function checkResources(resources: readonly string[], path: string, errors: Errors): void {
  if (resources.length === 0) errors.push(required(path))
  const [whole, ofAny] = [new Set<string>(), new Set<string>()]
  let plain = false
  resources.forEach((text, i) => {
    const at = `${path}[${i}]`
    if (text === '') {
      errors.push(required(at))
      return
    }
    const slash = text.indexOf('/')
    if (slash < 0) {
      plain = text !== '*'
      return
    }
    const [resource, sub] = [text.slice(0, slash), text.slice(slash + 1)]
    if (whole.has(resource)) errors.push(invalid(at, text, `if '${resource}/*' is present, must not specify ${text}`))
    if (ofAny.has(sub)) errors.push(invalid(at, text, `if '*/${sub}' is present, must not specify ${text}`))
    if (sub === '*') whole.add(resource)
    if (resource === '*') ofAny.add(sub)
  })
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
  if (resources.includes('*') && plain)
    errors.push(invalid(path, resources, "if '*' is present, must not specify other resources without subresources"))
}

/** The expressions themselves are read where they are used. */
export function checkMatchConditions(
  conditions: readonly MatchCondition[] | undefined,
  path: string,
  errors: Errors
): void {
  if (conditions === undefined) return
  if (conditions.length > MOST_CONDITIONS) errors.push(tooMany(path, conditions.length, MOST_CONDITIONS))
  const seen = new Set<string>()
  conditions.forEach(({ name, expression }, i) => {
    if ((expression ?? '').trim() === '') errors.push(required(`${path}[${i}].expression`))
    if (!name) errors.push(required(`${path}[${i}].name`))
    else {
      checkQualifiedName(name, `${path}[${i}].name`, errors)
      if (seen.has(name)) errors.push(duplicate(`${path}[${i}].name`, name))
      seen.add(name)
    }
  })
}

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (match === undefined) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  defaultRules(match.resourceRules)
  defaultRules(match.excludeResourceRules)
}

export function checkMatchResources(match: MatchResources, path: string, errors: Errors): void {
  const { matchPolicy } = match
  if (matchPolicy !== undefined && !MATCH_POLICIES.includes(matchPolicy))
    errors.push(notSupported(`${path}.matchPolicy`, matchPolicy, MATCH_POLICIES))
  checkLabelSelector(match.namespaceSelector, `${path}.namespaceSelector`, errors)
  checkLabelSelector(match.objectSelector, `${path}.objectSelector`, errors)
  for (const field of ['resourceRules', 'excludeResourceRules'] as const)
    match[field]?.forEach((rule, i) => {
      checkNamedRule(rule, `${path}.${field}[${i}]`, errors)
    })
}

function checkNamedRule(rule: NamedRuleWithOperations, path: string, errors: Errors): void {
  const seen = new Set<string>()
  rule.resourceNames?.forEach((name, i) => {
    const at = `${path}.resourceNames[${i}]`
    errors.push(...complaints(at, name, isPathSegmentName(name)))
    if (seen.has(name)) errors.push(duplicate(at, name))
    seen.add(name)
  })
  checkRule(rule, path, errors)
}
