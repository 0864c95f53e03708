/**
 * What a node may do: its own objects, the pods bound to it, and what these refer to. NodeRestriction (admission)
 * narrows its writes further.
 */
import { goQuote } from '../../core/go-text.ts'
import type { UserInfo } from '../../core/http.ts'
import type { Pod } from '../../core/kinds/types.ts'
import type { StoreApi } from '../../store/store.ts'
import { compileRules } from './authz-rules.ts'
import { nodeRules } from './bootstrap-roles.ts'
import { referencesOf } from './pod-references.ts'
import type { Attributes } from './types.ts'

const NODES_GROUP = 'system:nodes'
const NODE_PREFIX = 'system:node:'
const LEASE_NAMESPACE = 'kube-node-lease'
const READ = ['get', 'list', 'watch']
const WRITE_LEASE = ['get', 'create', 'update', 'patch', 'delete']

export interface Decision {
  readonly allowed: boolean
  readonly reason: string
}

type NodeResource = NonNullable<Attributes['resource']>

const ALLOWED: Decision = { allowed: true, reason: '' }
const NO_OPINION: Decision = { allowed: false, reason: '' }

/** The rest: what every node may do alike. */
const commonRules = compileRules(nodeRules)

/** "n1" of the user system:node:n1 in the group system:nodes; undefined for everybody else. */
export function nodeNameOf(user: UserInfo): string | undefined {
  if (!user.username.startsWith(NODE_PREFIX) || !user.groups.includes(NODES_GROUP)) return undefined
  return user.username.slice(NODE_PREFIX.length)
}

/** undefined: not a node. */
export async function authorizeNode(attributes: Attributes, store: StoreApi): Promise<Decision | undefined> {
  const node = nodeNameOf(attributes.user)
  if (node === undefined) return undefined
  const { resource } = attributes
  const request = { node, verb: attributes.verb, store }
  if (resource !== undefined)
    switch (resource.group === '' ? resource.resource : `${resource.group}/${resource.resource}`) {
      case 'secrets':
      case 'configmaps':
        return await readReferenced(request, resource)
      case 'serviceaccounts':
        return await createToken(request, resource)
      case 'coordination.k8s.io/leases':
        return ownLease(request, resource)
      case 'nodes':
        return ownNode(request, resource)
      case 'pods':
        return await ownPods(request, resource)
      default:
    }
  return commonRules.some((rule) => rule.allows(attributes)) ? ALLOWED : NO_OPINION
}

interface NodeRequest {
  readonly node: string
  readonly verb: string
  readonly store: StoreApi
}

async function readReferenced(request: NodeRequest, resource: NodeResource): Promise<Decision> {
  if (!READ.includes(request.verb)) return refuse('can only read resources of this type')
  if (isSet(resource.subresource)) return refuse('cannot read subresource')
  if (!isSet(resource.namespace)) return refuse('can only read namespaced object of this type')
  if (!isSet(resource.name)) return refuse('No Object name found')
  const kind = resource.resource === 'secrets' ? 'secrets' : 'configMaps'
  const name = resource.name ?? ''
  return await related(request, resource, (pod) => referencesOf(pod)[kind].has(name))
}

async function createToken(request: NodeRequest, resource: NodeResource): Promise<Decision> {
  const { name } = resource
  if (request.verb !== 'create' || !isSet(name)) return refuse('can only create tokens for individual service accounts')
  if (resource.subresource !== 'token') return refuse('can only create token subresource of serviceaccount')
  return await related(request, resource, (pod) => (pod.spec?.serviceAccountName ?? '') === name)
}

/** Whether one of the node's pods in the namespace says so. */
async function related(request: NodeRequest, resource: NodeResource, test: (pod: Pod) => boolean): Promise<Decision> {
  const { entries } = await request.store.list('pods', {
    prefix: `${resource.namespace}/`,
    index: { name: 'node', value: request.node }
  })
  if (entries.some((entry) => test(entry.value as unknown as Pod))) return ALLOWED
  return refuse(`no relationship found between node '${request.node}' and this object`)
}

function ownLease({ node, verb }: NodeRequest, resource: NodeResource): Decision {
  if (!WRITE_LEASE.includes(verb)) return refuse('can only get, create, update, patch, or delete a node lease')
  if (resource.namespace !== LEASE_NAMESPACE)
    return refuse(`can only access leases in the ${goQuote(LEASE_NAMESPACE)} system namespace`)
  // A creation's name is in its body, which NodeRestriction looks at.
  if (verb !== 'create' && resource.name !== node)
    return refuse('can only access node lease with the same name as the requesting node')
  return ALLOWED
}

function ownNode({ node, verb }: NodeRequest, resource: NodeResource): Decision {
  const { subresource = '', name = '' } = resource
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOWED : NO_OPINION
  if (subresource !== '') return NO_OPINION
  if (verb === 'create' || verb === 'update' || verb === 'patch') return ALLOWED
  if (!READ.includes(verb)) return NO_OPINION
  // A list or watch of one name by field selector reads no more than that object.
  const wanted = name === '' ? selected(resource.fieldSelector, 'metadata.name') : name
  if (wanted === node) return ALLOWED
  if (wanted === '') return refuse(`node '${node}' cannot read all nodes, only its own Node object`)
  return refuse(`node '${node}' cannot read '${wanted}', only its own Node object`)
}

async function ownPods(request: NodeRequest, resource: NodeResource): Promise<Decision> {
  const { node, verb } = request
  const { subresource = '', name = '' } = resource
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOWED : NO_OPINION
  if (subresource === 'eviction') return verb === 'create' ? ALLOWED : NO_OPINION
  if (subresource !== '') return verb === 'get' ? refuse('cannot get subresource') : NO_OPINION
  if (verb === 'create' || verb === 'delete') return ALLOWED
  if (!READ.includes(verb)) return NO_OPINION
  if (name !== '') {
    const entry = await request.store.get('pods', `${resource.namespace}/${name}`)
    const bound = (entry?.value as Pod | undefined)?.spec?.nodeName
    return bound === node ? ALLOWED : refuse(`no relationship found between node '${node}' and this object`)
  }
  if (selected(resource.fieldSelector, 'spec.nodeName') === node || resource.index === `node=${node}`) return ALLOWED
  return refuse('can only list/watch pods with spec.nodeName field selector')
}

/** The value that a field selector demands of a field, or ''. */
function selected(selector: string | undefined, field: string): string {
  for (const term of (selector ?? '').split(',')) {
    const match = /^\s*([^=!\s]+)\s*==?\s*(.*?)\s*$/.exec(term)
    if (match?.[1] === field) return match[2] ?? ''
  }
  return ''
}

function refuse(reason: string): Decision {
  return { allowed: false, reason }
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== ''
}
