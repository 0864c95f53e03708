/** Who may do what: RBAC over the roles and bindings in the store, kept compiled in memory. */
import { ApiError } from '../../core/errors.ts'
import type { Change } from '../../core/feed.ts'
import { goQuote } from '../../core/go-text.ts'
import type { UserInfo } from '../../core/http.ts'
import type { ClusterRoleBinding, PolicyRule, RbacSubject, RoleBinding, RoleRef } from '../../core/kinds/types.ts'
import { type KubeObject, splitKey } from '../../core/object.ts'
import type { StoreApi } from '../../store/store.ts'
import { authorizeNode } from './authz-node.ts'
import { type CompiledRule, compileRules } from './authz-rules.ts'
import { serviceAccountName } from './tokens.ts'
import type { Attributes, Authorizer } from './types.ts'

const GROUP = 'rbac.authorization.k8s.io'
const ROLES = `${GROUP}/roles`
const ROLE_BINDINGS = `${GROUP}/rolebindings`
const CLUSTER_ROLES = `${GROUP}/clusterroles`
const CLUSTER_ROLE_BINDINGS = `${GROUP}/clusterrolebindings`
/** Whoever is in it may do everything, whatever the roles say: the way back in after a mistake. */
const MASTERS = 'system:masters'

export interface RulesFor {
  readonly rules: readonly PolicyRule[]
  /** Bindings whose role does not exist, in Kubernetes' words. */
  readonly errors: readonly string[]
}

export interface RbacAuthorizer extends Authorizer {
  /** Everything that RBAC grants a user in a namespace (undefined: cluster-wide). */
  rulesFor(user: UserInfo, namespace: string | undefined): RulesFor
  /** What a binding would grant. Throws NotFound where the role is missing. */
  rulesOf(ref: RoleRef, namespace: string | undefined): readonly PolicyRule[]
  close(): void
}

type Binding = RoleBinding | ClusterRoleBinding

/** A binding as it concerns one subject. */
interface Grant {
  readonly binding: Binding
  readonly subject: RbacSubject
}

/** Reads the roles and bindings, and follows their changes from then on. */
export async function createAuthorizer(store: StoreApi): Promise<RbacAuthorizer> {
  const rbac = new Rbac(store)
  await rbac.load()
  return rbac
}

class Rbac implements RbacAuthorizer {
  private readonly store: StoreApi
  /** "name" of a ClusterRole, "namespace/name" of a Role. */
  private readonly roles = new Map<string, readonly CompiledRule[]>()
  /** Grants by scope ('' or the namespace), then by subject ("u:name", "g:name"), then by binding's key. */
  private readonly grants = new Map<string, Map<string, Map<string, Grant>>>()
  private readonly unsubscribe: () => void
  /** While loading: what changed meanwhile, and so is newer than the list. */
  private changed: Set<string> | undefined = new Set()

  constructor(store: StoreApi) {
    this.store = store
    this.unsubscribe = store.onChange((changes) => this.follow(changes))
  }

  async load(): Promise<void> {
    const resources = [ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS]
    // At once, since a function that starts waits for them.
    const lists = await Promise.all(resources.map((resource) => this.store.list(resource)))
    for (const [i, { entries }] of lists.entries()) {
      const resource = resources[i] ?? ''
      for (const entry of entries)
        if (this.changed?.has(`${resource} ${entry.key}`) !== true) this.put(resource, entry.key, entry.value)
    }
    this.changed = undefined
  }

  close(): void {
    this.unsubscribe()
  }

  async authorize(attributes: Attributes): Promise<{ allowed: boolean; reason: string }> {
    const { user } = attributes
    if (user.groups.includes(MASTERS)) return { allowed: true, reason: '' }
    const node = await authorizeNode(attributes, this.store)
    if (node?.allowed === true) return node
    const rbac = this.decide(attributes)
    if (rbac.allowed) return rbac
    const reasons = [node?.reason ?? '', rbac.reason].filter((reason) => reason !== '')
    return { allowed: false, reason: reasons.join('\n') }
  }

  rulesFor(user: UserInfo, namespace: string | undefined): RulesFor {
    const rules: PolicyRule[] = []
    const errors: string[] = []
    for (const { grant, scope } of this.grantsOf(user, namespace)) {
      const granted = this.resolve(grant.binding.roleRef, scope)
      if (granted === undefined) errors.push(missingRole(grant.binding.roleRef))
      else for (const { rule } of granted) rules.push(rule)
    }
    return { rules, errors }
  }

  rulesOf(ref: RoleRef, namespace: string | undefined): readonly PolicyRule[] {
    const rules = this.resolve(ref, namespace ?? '')
    if (rules === undefined)
      throw new ApiError('NotFound', missingRole(ref), {
        details: { name: ref.name, group: GROUP, kind: roleKind(ref) }
      })
    return rules.map(({ rule }) => rule)
  }

  private decide(attributes: Attributes): { allowed: boolean; reason: string } {
    const errors: string[] = []
    for (const { grant, scope } of this.grantsOf(attributes.user, attributes.resource?.namespace)) {
      const rules = this.resolve(grant.binding.roleRef, scope)
      if (rules === undefined) errors.push(missingRole(grant.binding.roleRef))
      else if (rules.some((rule) => rule.allows(attributes)))
        return { allowed: true, reason: `RBAC: allowed by ${describeGrant(grant, scope)}` }
    }
    if (errors.length === 0) return { allowed: false, reason: '' }
    const unique = [...new Set(errors)]
    return { allowed: false, reason: `RBAC: ${unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`}` }
  }

  private *grantsOf(user: UserInfo, namespace: string | undefined): Generator<{ grant: Grant; scope: string }> {
    const scopes = namespace === undefined || namespace === '' ? [''] : ['', namespace]
    for (const scope of scopes) {
      const bySubject = this.grants.get(scope)
      if (bySubject === undefined) continue
      for (const grant of bySubject.get(`u:${user.username}`)?.values() ?? []) yield { grant, scope }
      for (const group of user.groups)
        for (const grant of bySubject.get(`g:${group}`)?.values() ?? []) yield { grant, scope }
    }
  }

  private resolve(ref: RoleRef, scope: string): readonly CompiledRule[] | undefined {
    return this.roles.get(ref.kind === 'Role' ? `${scope}/${ref.name}` : ref.name)
  }

  private follow(changes: readonly Change[]): void {
    for (const { resource, key, type, object, previous } of changes) {
      if (!resource.startsWith(GROUP)) continue
      this.changed?.add(`${resource} ${key}`)
      if (previous !== undefined) this.remove(resource, key, previous)
      if (type === 'deleted') this.remove(resource, key, object)
      else this.put(resource, key, object)
    }
  }

  private put(resource: string, key: string, object: KubeObject): void {
    if (resource === ROLES || resource === CLUSTER_ROLES) {
      this.roles.set(key, compileRules(object.rules as PolicyRule[] | undefined))
      return
    }
    const binding = object as unknown as Binding
    const scope = splitKey(key).namespace ?? ''
    for (const subject of binding.subjects ?? []) {
      const name = subjectKey(subject, scope)
      if (name === undefined) continue
      const bySubject = getOrAdd(this.grants, scope)
      const grants = getOrAdd(bySubject, name)
      if (!grants.has(key)) grants.set(key, { binding, subject })
    }
  }

  private remove(resource: string, key: string, object: KubeObject): void {
    if (resource === ROLES || resource === CLUSTER_ROLES) {
      this.roles.delete(key)
      return
    }
    const scope = splitKey(key).namespace ?? ''
    const bySubject = this.grants.get(scope)
    for (const subject of (object as unknown as Binding).subjects ?? []) {
      const name = subjectKey(subject, scope)
      const grants = name === undefined ? undefined : bySubject?.get(name)
      grants?.delete(key)
      if (name !== undefined && grants?.size === 0) bySubject?.delete(name)
    }
    if (bySubject?.size === 0) this.grants.delete(scope)
  }
}

function getOrAdd<K, V>(map: Map<string, Map<K, V>>, key: string): Map<K, V> {
  const known = map.get(key)
  if (known !== undefined) return known
  const added = new Map<K, V>()
  map.set(key, added)
  return added
}

function subjectKey(subject: RbacSubject, scope: string): string | undefined {
  switch (subject.kind) {
    case 'User':
      return `u:${subject.name}`
    case 'Group':
      return `g:${subject.name}`
    case 'ServiceAccount': {
      // Within a namespace an account's own may be left out.
      const namespace = subject.namespace || scope
      return namespace === '' ? undefined : `u:${serviceAccountName(namespace, subject.name)}`
    }
    default:
      return undefined
  }
}

function describeGrant({ binding, subject }: Grant, scope: string): string {
  const { name = '' } = binding.metadata
  const owner = scope === '' ? `ClusterRoleBinding ${goQuote(name)}` : `RoleBinding ${goQuote(`${name}/${scope}`)}`
  const who = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace ?? scope}` : subject.name
  const role = `${binding.roleRef.kind} ${goQuote(binding.roleRef.name)}`
  return `${owner} of ${role} to ${subject.kind} ${goQuote(who)}`
}

/** In the singular: kube-apiserver reports these from its listers, which name them so. */
function roleKind(ref: RoleRef): string {
  return ref.kind === 'Role' ? 'role' : 'clusterrole'
}

function missingRole(ref: RoleRef): string {
  return `${roleKind(ref)}.${GROUP} ${goQuote(ref.name)} not found`
}

/** The 403 of kube-apiserver. `reason`: the authorizer's, may be empty. */
export function forbidden(attributes: Attributes, reason: string): ApiError {
  const { resource } = attributes
  const what = reason === '' ? refusal(attributes) : `${refusal(attributes)}: ${reason}`
  if (resource === undefined) return new ApiError('Forbidden', `forbidden: ${what}`, { details: {} })
  const { group, name } = resource
  const qualified = group === '' ? resource.resource : `${resource.resource}.${group}`
  const named = name === undefined || name === ''
  return new ApiError('Forbidden', `${named ? qualified : `${qualified} ${goQuote(name)}`} is forbidden: ${what}`, {
    details: {
      ...(named ? {} : { name }),
      ...(group === '' ? {} : { group }),
      kind: resource.resource
    }
  })
}

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

function refusal({ user, verb, resource, path }: Attributes): string {
  const who = `User ${goQuote(user.username)} cannot ${verb}`
  const scope = (namespace: string | undefined) =>
    namespace === undefined || namespace === '' ? 'at the cluster scope' : `in the namespace ${goQuote(namespace)}`
  const text =
    resource === undefined
      ? `${who} path ${goQuote(path ?? '')}`
      : `${who} resource ${goQuote(fullResource(resource))} in API group ${goQuote(resource.group)} ${scope(resource.namespace)}`
  return text.replace(/[&<>]/g, (character) => HTML[character] ?? character)
}

function fullResource(resource: { readonly resource: string; readonly subresource?: string }): string {
  const { subresource } = resource
  return subresource === undefined || subresource === '' ? resource.resource : `${resource.resource}/${subresource}`
}
