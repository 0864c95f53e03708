/** Which requests a webhook or a policy is about: operations, resources, scope, namespaces and labels. */
import type { Kind } from '../../../core/kinds/kind.ts'
import type { LabelSelector, RuleWithOperations } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { type LabelMatcher, labelSelectorMatcher } from '../../../core/selector.ts'
import type { AdmissionRequest } from '../types.ts'
import { missing } from './refuse.ts'

const GROUP = 'admissionregistration.k8s.io'

/** Whoever could refuse changes to itself would be there for ever. */
export function isExempt({ group }: Kind): boolean {
  return group === GROUP
}

/** As webhooks and policies see it: a namespace lies in itself. */
export function namespaceOf({ kind, namespace, name, object }: AdmissionRequest): string {
  if (kind.storage !== 'namespaces') return namespace ?? ''
  return name ?? object?.metadata.name ?? ''
}

export function matchesRule(rule: RuleWithOperations, request: AdmissionRequest, kind: Kind): boolean {
  return (
    isInScope(rule.scope, request) &&
    includes(rule.operations, request.operation) &&
    includes(rule.apiGroups, kind.group) &&
    includes(rule.apiVersions, kind.version) &&
    (rule.resources ?? []).some((text) => isResource(text, kind.resource, request.subresource))
  )
}

function includes(items: readonly string[] | undefined, wanted: string): boolean {
  return items?.some((item) => item === '*' || item === wanted) === true
}

function isInScope(scope: string | undefined, { kind, namespace = '' }: AdmissionRequest): boolean {
  if (scope === undefined || scope === '*') return true
  const isCluster = kind.storage === 'namespaces' || namespace === ''
  return isCluster === (scope === 'Cluster')
}

function isResource(text: string, resource: string, subresource = ''): boolean {
  const slash = text.indexOf('/')
  const [wanted, sub] = slash < 0 ? [text, ''] : [text.slice(0, slash), text.slice(slash + 1)]
  return (wanted === '*' || wanted === resource) && (sub === '*' || sub === subresource)
}

export interface Selectors {
  readonly namespaces: LabelMatcher
  readonly objects: LabelMatcher
}

export function selectorsOf(from: {
  readonly namespaceSelector?: LabelSelector | undefined
  readonly objectSelector?: LabelSelector | undefined
}): Selectors {
  return {
    namespaces: labelSelectorMatcher(from.namespaceSelector ?? {}),
    objects: labelSelectorMatcher(from.objectSelector ?? {})
  }
}

/** Of a selector that namespaces are asked by. Rejects with NotFound where the namespace is missing: see `asked`. */
export async function matchesNamespace(matcher: LabelMatcher, request: AdmissionRequest): Promise<boolean> {
  const { kind, operation, subresource, object } = request
  const isNamespace = kind.storage === 'namespaces'
  if (matcher.everything || (!isNamespace && (request.namespace ?? '') === '')) return true
  if (isNamespace && subresource === undefined && (operation === 'CREATE' || operation === 'UPDATE'))
    return matcher.matches(object?.metadata.labels)
  const name = namespaceOf(request)
  const entry = await request.store.get('namespaces', name)
  if (entry === undefined) throw missing({ group: '', resource: 'namespaces' }, name)
  return matcher.matches(entry.value.metadata.labels)
}

export function matchesObject(matcher: LabelMatcher, { object, old }: AdmissionRequest): boolean {
  if (matcher.everything) return true
  const matches = (one: KubeObject | undefined) => one !== undefined && matcher.matches(one.metadata.labels)
  return matches(object) || matches(old)
}

/** The kinds that show the same objects in another version or group. */
export type Equivalents = (kind: Kind) => readonly Kind[]

/**
 * The first kind that a rule is about: the request's own or, with `equivalent`, another one of the same objects.
 * undefined: none of the rules concerns the request.
 */
export function matchedKind(
  rules: readonly RuleWithOperations[],
  request: AdmissionRequest,
  equivalents: Equivalents | undefined
): Kind | undefined {
  const { kind } = request
  if (rules.some((rule) => matchesRule(rule, request, kind))) return kind
  if (equivalents === undefined) return undefined
  const others = equivalents(kind)
  if (others.length < 2) return undefined
  for (const rule of rules) {
    const found = others.find((other) => other !== kind && matchesRule(rule, request, other))
    if (found !== undefined) return found
  }
  return undefined
}
