/** Nobody grants rights that they do not hold, unless they may "escalate" roles or "bind" this one. */
import { goQuote } from '../../../core/go-text.ts'
import type { ClusterRole, PolicyRule, RoleBinding, RoleRef } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import type { RbacAuthorizer } from '../authz.ts'
import { describeRules, missingRules } from '../authz-rules.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { nameOf, refuse } from './refuse.ts'

const GROUP = 'rbac.authorization.k8s.io'
const EVERYTHING: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] }
]

export function rbacEscalation(authorizer: RbacAuthorizer): AdmissionPlugin {
  return {
    name: 'RBACEscalation',
    resources: ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map((name) => `${GROUP}/${name}`),
    async validate(request) {
      const { kind, operation, object, user } = request
      if (kind.group !== GROUP || object === undefined || (operation !== 'CREATE' && operation !== 'UPDATE')) return
      if (user.groups.includes('system:masters')) return
      if (request.old !== undefined && onlyForCollector(object, request.old)) return
      if (kind.resource === 'roles' || kind.resource === 'clusterroles') await checkRole(request, object, authorizer)
      else await checkBinding(request, object as unknown as RoleBinding, authorizer)
    }
  }
}

async function checkRole(request: AdmissionRequest, object: KubeObject, authorizer: RbacAuthorizer): Promise<void> {
  const { user, kind, namespace, old } = request
  const role = object as unknown as ClusterRole
  const before = old as unknown as ClusterRole | undefined
  const resource = { group: GROUP, version: 'v1', resource: kind.resource, name: nameOf(request) }
  const may = await authorizer.authorize({
    user,
    verb: 'escalate',
    resource: namespace === undefined ? resource : { ...resource, namespace }
  })
  if (may.allowed) return
  const changed = before === undefined || JSON.stringify(before.rules) !== JSON.stringify(role.rules)
  if (changed) requireHeld(request, role.rules ?? [], authorizer)
  const aggregation = JSON.stringify(role.aggregationRule)
  if (aggregation === undefined || aggregation === JSON.stringify(before?.aggregationRule)) return
  if (missingRules(authorizer.rulesFor(user, undefined).rules, EVERYTHING).length > 0)
    throw refuse(request, 'must have cluster-admin privileges to use an aggregationRule')
}

async function checkBinding(
  request: AdmissionRequest,
  binding: RoleBinding,
  authorizer: RbacAuthorizer
): Promise<void> {
  const { namespace, user } = request
  const resource = roleResource(binding.roleRef)
  // Where the binding's namespace counts, a ClusterRole is bound "in" it too.
  const target = { group: GROUP, version: 'v1', resource, name: binding.roleRef.name }
  const may = await authorizer.authorize({
    user,
    verb: 'bind',
    resource: namespace === undefined ? target : { ...target, namespace }
  })
  if (may.allowed) return
  requireHeld(request, authorizer.rulesOf(binding.roleRef, namespace), authorizer)
}

function roleResource(ref: RoleRef): string {
  return ref.kind === 'Role' ? 'roles' : 'clusterroles'
}

function requireHeld(request: AdmissionRequest, rules: readonly PolicyRule[], authorizer: RbacAuthorizer): void {
  const { user, namespace } = request
  const held = authorizer.rulesFor(user, namespace)
  const missing = missingRules(held.rules, rules)
  if (missing.length === 0) return
  const groups = user.groups.map(goQuote).join(' ')
  const errors = held.errors.length === 0 ? '' : `; resolution errors: [${held.errors.join(' ')}]`
  throw refuse(
    request,
    `user ${goQuote(user.username)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${describeRules(missing).join('\n')}${errors}`
  )
}

/** An update that only lets go of the object: the garbage collector must get through whatever it may grant. */
function onlyForCollector(next: KubeObject, old: KubeObject): boolean {
  const rest = ({ metadata, ...fields }: KubeObject) => {
    const { ownerReferences, finalizers, managedFields, resourceVersion, ...kept } = metadata
    return sortedJson({ ...fields, metadata: kept })
  }
  return rest(next) === rest(old)
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field
  )
}
