/** RBAC's rules as pure functions: what a rule allows, whether rules cover others, what an aggregated role holds. */
import type { ClusterRole, LabelSelector, PolicyRule } from '../../core/kinds/types.ts'
import type { Attributes } from './types.ts'

/** A rule made ready for many lookups. */
export interface CompiledRule {
  readonly rule: PolicyRule
  allows(attributes: Attributes): boolean
}

export function compileRules(rules: readonly PolicyRule[] | undefined | null): readonly CompiledRule[] {
  return (rules ?? []).map(compileRule)
}

function compileRule(rule: PolicyRule): CompiledRule {
  const verbs = matcher(rule.verbs)
  const groups = matcher(rule.apiGroups)
  const resources = resourceMatcher(rule.resources ?? [])
  const names =
    rule.resourceNames === undefined || rule.resourceNames.length === 0 ? undefined : new Set(rule.resourceNames)
  const paths = rule.nonResourceURLs ?? []
  return {
    rule,
    allows({ verb, resource, path }) {
      if (!verbs(verb)) return false
      if (resource === undefined) return path !== undefined && paths.some((pattern) => pathMatches(pattern, path))
      return (
        groups(resource.group) &&
        resources(resource.resource, resource.subresource) &&
        (names === undefined || names.has(resource.name ?? ''))
      )
    }
  }
}

function matcher(allowed: readonly string[] | undefined): (value: string) => boolean {
  const set = new Set(allowed)
  return set.has('*') ? () => true : (value) => set.has(value)
}

/** "pods", "pods/log", every subresource of one name ("*" + "/scale") or "*". */
function resourceMatcher(allowed: readonly string[]): (resource: string, subresource: string | undefined) => boolean {
  const set = new Set(allowed)
  if (set.has('*')) return () => true
  return (resource, subresource) =>
    subresource === undefined || subresource === ''
      ? set.has(resource)
      : set.has(`${resource}/${subresource}`) || set.has(`*/${subresource}`)
}

function pathMatches(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true
  return pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, ''))
}

/**
 * What of `wanted` the rules in `held` do not grant, broken down to one verb, group, resource and name each. Nothing:
 * whoever holds `held` may hand `wanted` on.
 */
export function missingRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !held.some((rule) => ruleCovers(rule, part)))
}

function breakDown(rule: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = []
  const names = rule.resourceNames === undefined || rule.resourceNames.length === 0 ? [undefined] : rule.resourceNames
  for (const apiGroup of rule.apiGroups ?? [])
    for (const resource of rule.resources ?? [])
      for (const verb of rule.verbs)
        for (const name of names) {
          const part: PolicyRule = { apiGroups: [apiGroup], resources: [resource], verbs: [verb] }
          parts.push(name === undefined ? part : { ...part, resourceNames: [name] })
        }
  for (const url of rule.nonResourceURLs ?? [])
    for (const verb of rule.verbs) parts.push({ nonResourceURLs: [url], verbs: [verb] })
  return parts
}

function ruleCovers(owner: PolicyRule, part: PolicyRule): boolean {
  const [url] = part.nonResourceURLs ?? []
  if (url !== undefined) {
    const covered = (owner.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, url))
    return covered && hasAll(owner.verbs, part.verbs)
  }
  const ownerNames = owner.resourceNames ?? []
  const partNames = part.resourceNames ?? []
  return (
    hasAll(owner.verbs, part.verbs) &&
    hasAll(owner.apiGroups ?? [], part.apiGroups ?? []) &&
    coversResources(owner.resources ?? [], part.resources ?? []) &&
    (ownerNames.length === 0 || (partNames.length > 0 && partNames.every((name) => ownerNames.includes(name))))
  )
}

function hasAll(owner: readonly string[], wanted: readonly string[]): boolean {
  return owner.includes('*') || wanted.every((value) => owner.includes(value))
}

function coversResources(owner: readonly string[], wanted: readonly string[]): boolean {
  if (owner.includes('*')) return true
  return wanted.every((resource) => {
    const slash = resource.indexOf('/')
    return owner.includes(resource) || (slash >= 0 && owner.includes(`*${resource.slice(slash)}`))
  })
}

/** Rules as the message of a refused escalation lists them: those for one resource are one line. */
export function describeRules(rules: readonly PolicyRule[]): string[] {
  const merged = new Map<string, PolicyRule>()
  for (const rule of rules) {
    const verbs = rule.nonResourceURLs === undefined ? [] : rule.verbs
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs, verbs])
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { ...rule, verbs: [...rule.verbs] })
    else known.verbs.push(...rule.verbs.filter((verb) => !known.verbs.includes(verb)))
  }
  return [...new Set([...merged.values()].map(describeRule))].sort()
}

function describeRule(rule: PolicyRule): string {
  const fields: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs]
  ]
  const shown = fields.filter(([, values]) => values !== undefined && values.length > 0)
  return `{${shown.map(([name, values]) => `${name}:[${(values ?? []).map((value) => JSON.stringify(value)).join(' ')}]`).join(', ')}}`
}

/**
 * The rules of an aggregated role: those of every role that one of its selectors matches, in order of name, each once.
 * undefined where the role is not aggregated.
 */
export function aggregate(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors
  if (selectors === undefined) return undefined
  const sorted = roles.toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
  const rules = new Map<string, PolicyRule>()
  for (const selector of selectors)
    for (const source of sorted) {
      if (source.metadata.name === role.metadata.name || !selects(selector, source.metadata.labels ?? {})) continue
      for (const rule of source.rules ?? []) {
        const key = ruleKey(rule)
        if (!rules.has(key)) rules.set(key, rule)
      }
    }
  return [...rules.values()]
}

/** Fills in every aggregated role, until those that aggregate aggregated ones hold everything too. Changes `roles`. */
export function settle(roles: Map<string, ClusterRole>): void {
  // Each round settles one more level; a cycle settles too, since rules are only ever united.
  for (let round = 0; round <= roles.size; round++) {
    let quiet = true
    for (const [name, role] of roles) {
      const rules = aggregate(role, [...roles.values()])
      if (rules === undefined || JSON.stringify(rules) === JSON.stringify(role.rules)) continue
      roles.set(name, { ...role, rules })
      quiet = false
    }
    if (quiet) break
  }
}

/** Equal for equal rules, whatever the order of their fields. */
function ruleKey(rule: PolicyRule): string {
  return JSON.stringify([rule.apiGroups, rule.resources, rule.verbs, rule.resourceNames, rule.nonResourceURLs])
}

function selects(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return (
    exact &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
        default:
          return false
      }
    })
  )
}
