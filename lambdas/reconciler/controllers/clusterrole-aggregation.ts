/** Gives a ClusterRole with an aggregation rule the rules of those that it selects (pkg/controller/clusterroleaggregation). */
import { clusterRoles } from '../../../core/kinds/refs.ts'
import type { ClusterRole, PolicyRule } from '../../../core/kinds/types.ts'
import { labelSelectorMatcher } from '../../../core/selector.ts'
import type { Controller, ControllerContext } from '../controller.ts'
import { semanticEqual } from '../objects.ts'

const ROLES = 'rbac.authorization.k8s.io/clusterroles'

export function clusterRoleAggregationController(): Controller {
  return {
    name: 'clusterrole-aggregation-controller',
    watches: { [ROLES]: (_changes, context) => aggregatedKeys(context) },
    start: aggregatedKeys,
    reconcile
  }
}

/** Any role's change may concern all of them: there are few. */
async function aggregatedKeys({ client }: ControllerContext): Promise<string[]> {
  const { items } = await client.list(clusterRoles)
  return items.filter(({ aggregationRule }) => aggregationRule !== undefined).map(({ metadata }) => metadata.name ?? '')
}

async function reconcile(name: string, { client }: ControllerContext): Promise<undefined> {
  const role = await client.find(clusterRoles, { name })
  if (role?.aggregationRule === undefined) return
  const rules = planRules(role, (await client.list(clusterRoles)).items)
  if (semanticEqual(rules, role.rules)) return
  const body = { metadata: { resourceVersion: role.metadata.resourceVersion }, rules: structuredClone(rules) }
  await client.patch(clusterRoles, { name }, { type: 'merge', body })
}

/** Selector by selector, roles by name; a rule that is there already is not repeated. */
export function planRules(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] {
  const rules: PolicyRule[] = []
  const sorted = roles.toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const matcher = labelSelectorMatcher(selector)
    for (const candidate of sorted) {
      if (candidate.metadata.name === role.metadata.name || !matcher.matches(candidate.metadata.labels)) continue
      for (const rule of candidate.rules ?? []) {
        if (!rules.some((known) => semanticEqual(known, rule))) rules.push(rule)
      }
    }
  }
  return rules
}
