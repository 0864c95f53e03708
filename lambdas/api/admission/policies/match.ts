/** The match constraints of policies and the match resources of their bindings. */
import type { Kind } from '../../../../core/kinds/kind.ts'
import type { MatchResources, NamedRuleWithOperations } from '../../../../core/kinds/types.ts'
import type { AdmissionRequest } from '../../types.ts'
import {
  type Equivalents,
  matchesNamespace,
  matchesObject,
  matchesRule,
  type Selectors,
  selectorsOf
} from '../matching.ts'

export interface Match {
  readonly selectors: Selectors
  readonly rules: readonly NamedRuleWithOperations[]
  readonly excluded: readonly NamedRuleWithOperations[]
  readonly equivalent: boolean
}

export function matchOf(from: MatchResources): Match {
  return {
    selectors: selectorsOf(from),
    rules: from.resourceRules ?? [],
    excluded: from.excludeResourceRules ?? [],
    equivalent: from.matchPolicy === 'Equivalent'
  }
}

/** As which kind the policy sees the request; undefined: it does not concern it. Rejects with NotFound: no namespace. */
export async function matchedAs(
  match: Match,
  request: AdmissionRequest,
  equivalents: Equivalents
): Promise<Kind | undefined> {
  if (!matchesObject(match.selectors.objects, request)) return undefined
  const others = match.equivalent ? equivalents(request.kind) : []
  if (ruledKind(match.excluded, request, others) !== undefined) return undefined
  const kind = match.rules.length === 0 ? request.kind : ruledKind(match.rules, request, others)
  if (kind === undefined || !(await matchesNamespace(match.selectors.namespaces, request))) return undefined
  return kind
}

function ruledKind(
  rules: readonly NamedRuleWithOperations[],
  request: AdmissionRequest,
  others: readonly Kind[]
): Kind | undefined {
  const fits = (rule: NamedRuleWithOperations, kind: Kind) => matchesRule(rule, request, kind) && isNamed(rule, request)
  if (rules.some((rule) => fits(rule, request.kind))) return request.kind
  for (const rule of rules) {
    const found = others.find((other) => other !== request.kind && fits(rule, other))
    if (found !== undefined) return found
  }
  return undefined
}

function isNamed({ resourceNames = [] }: NamedRuleWithOperations, { name = '' }: AdmissionRequest): boolean {
  return resourceNames.length === 0 || resourceNames.includes(name)
}
