/** Which requests the audit log tells of, and how much (audit.k8s.io/v1 Policy; k8s.io/apiserver/pkg/audit/policy). */
import { goQuote } from '../../../core/go-text.ts'
import { isObject } from '../../../core/json.ts'
import type { Attributes } from '../types.ts'

export const LEVELS = ['None', 'Metadata', 'Request', 'RequestResponse'] as const
export const STAGES = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const
export type Level = (typeof LEVELS)[number]
export type Stage = (typeof STAGES)[number]

interface Resources {
  readonly group?: string
  readonly resources?: readonly string[]
  readonly resourceNames?: readonly string[]
}

interface Rule {
  readonly level: Level
  readonly users?: readonly string[]
  readonly userGroups?: readonly string[]
  readonly verbs?: readonly string[]
  readonly resources?: readonly Resources[]
  readonly namespaces?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
  readonly omitStages?: readonly Stage[]
  readonly omitManagedFields?: boolean
}

export interface AuditPolicy {
  readonly rules: readonly Rule[]
  readonly omitStages?: readonly Stage[]
  readonly omitManagedFields?: boolean
}

export interface Decision {
  readonly level: Level
  readonly omitted: ReadonlySet<Stage>
  readonly omitManagedFields: boolean
}

/** The first rule that matches counts; without one nothing is told. */
export function decide(policy: AuditPolicy, attributes: Attributes): Decision {
  const rule = policy.rules.find((one) => matches(one, attributes))
  return {
    level: rule?.level ?? 'None',
    omitted: new Set([...(policy.omitStages ?? []), ...(rule?.omitStages ?? [])]),
    omitManagedFields: rule?.omitManagedFields ?? policy.omitManagedFields ?? false
  }
}

function matches(rule: Rule, { user, verb, resource, path }: Attributes): boolean {
  const { users = [], userGroups = [], verbs = [], resources = [], namespaces = [], nonResourceURLs = [] } = rule
  if (users.length > 0 && !users.includes(user.username)) return false
  if (userGroups.length > 0 && !user.groups.some((group) => userGroups.includes(group))) return false
  if (verbs.length > 0 && !verbs.includes(verb)) return false
  if (namespaces.length > 0 || resources.length > 0) {
    if (resource === undefined) return false
    if (namespaces.length > 0 && !namespaces.includes(resource.namespace ?? '')) return false
    return resources.length === 0 || resources.some((one) => concerns(one, resource))
  }
  if (nonResourceURLs.length === 0) return true
  if (resource !== undefined) return false
  return nonResourceURLs.some((url) =>
    url === '*' || url.endsWith('*') ? (path ?? '').startsWith(url.slice(0, -1)) : url === path
  )
}

function concerns(
  { group = '', resources = [], resourceNames = [] }: Resources,
  asked: NonNullable<Attributes['resource']>
): boolean {
  if (group !== asked.group) return false
  if (resources.length === 0) return true
  if (resourceNames.length > 0 && !resourceNames.includes(asked.name ?? '')) return false
  const { resource, subresource = '' } = asked
  const whole = subresource === '' ? resource : `${resource}/${subresource}`
  return resources.some(
    (one) =>
      one === whole || one === '*' || (subresource !== '' && one === `*/${subresource}`) || one === `${resource}/*`
  )
}

/** Throws an Error that names what is wrong. `value`: the file's YAML, read. */
export function auditPolicy(value: unknown): AuditPolicy {
  if (!isObject(value)) throw new Error('an audit policy is an object')
  const { apiVersion, kind, rules, omitStages } = value
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy')
    throw new Error(`expected kind Policy of audit.k8s.io/v1, found ${String(kind)} of ${String(apiVersion)}`)
  if (!Array.isArray(rules) || rules.length === 0) throw new Error('loaded illegal policy with 0 rules')
  checkStages(omitStages, 'omitStages')
  rules.forEach((rule: unknown, i) => {
    if (!isObject(rule)) throw new Error(`rules[${i}]: must be an object`)
    if (!LEVELS.some((level) => level === rule.level))
      throw new Error(
        `rules[${i}].level: Unsupported value: ${goQuote(String(rule.level ?? ''))}: supported values: ${LEVELS.map(goQuote).join(', ')}`
      )
    checkStages(rule.omitStages, `rules[${i}].omitStages`)
    for (const field of ['users', 'userGroups', 'verbs', 'namespaces', 'nonResourceURLs', 'resources'])
      if (rule[field] !== undefined && rule[field] !== null && !Array.isArray(rule[field]))
        throw new Error(`rules[${i}].${field}: must be a list`)
    if (Array.isArray(rule.nonResourceURLs) && rule.nonResourceURLs.length > 0 && (rule.resources || rule.namespaces))
      throw new Error(`rules[${i}].nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs`)
  })
  return value as unknown as AuditPolicy
}

function checkStages(stages: unknown, path: string): void {
  if (stages === undefined || stages === null) return
  if (!Array.isArray(stages)) throw new Error(`${path}: must be a list`)
  for (const stage of stages)
    if (!STAGES.some((one) => one === stage))
      throw new Error(
        `${path}: Unsupported value: ${goQuote(String(stage))}: supported values: ${STAGES.map(goQuote).join(', ')}`
      )
}
