/** A node changes its own Node, lease and pods only, and cannot give itself labels or taints that draw pods to it. */
import { goQuote } from '../../../core/go-text.ts'
import type { Node, Pod, AuthenticationTokenRequest as TokenRequest } from '../../../core/kinds/types.ts'
import { nodeNameOf } from '../authz-node.ts'
import { referencesOf } from '../pod-references.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { missing, nameOf, refuse } from './refuse.ts'

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror'
const LEASE_NAMESPACE = 'kube-node-lease'
const RESTRICTED = 'node-restriction.kubernetes.io'
const PODS = { group: '', resource: 'pods' } as const

/** Labels of Kubernetes' own that a node may set on itself. */
const KUBELET_LABELS: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/windows-build'
])
const KUBELET_DOMAINS = ['kubelet.kubernetes.io', 'node.kubernetes.io']

export const nodeRestriction: AdmissionPlugin = {
  name: 'NodeRestriction',
  async validate(request) {
    const node = nodeNameOf(request.user)
    if (node === undefined) return
    if (node === '') throw refuse(request, `could not determine node from user ${goQuote(request.user.username)}`)
    const { kind } = request
    switch (kind.group === '' ? kind.resource : `${kind.group}/${kind.resource}`) {
      case 'pods':
        return await admitPod(request, node)
      case 'nodes':
        return admitNode(request, node)
      case 'serviceaccounts':
        return await admitToken(request, node)
      case 'coordination.k8s.io/leases':
        return admitLease(request, node)
      default:
    }
  }
}

async function admitPod(request: AdmissionRequest, node: string): Promise<void> {
  switch (request.subresource) {
    case undefined:
      if (request.operation === 'CREATE') return await admitMirrorPod(request, node)
      if (request.operation === 'DELETE') {
        if ((await podOf(request)).spec?.nodeName === node) return
        throw refuse(request, `node ${goQuote(node)} can only delete pods with spec.nodeName set to itself`)
      }
      throw refuse(
        request,
        `unexpected operation ${goQuote(request.operation)}, node ${goQuote(node)} can only create and delete mirror pods`
      )
    case 'status': {
      const old = request.old as Pod | undefined
      if (old?.spec?.nodeName !== node)
        throw refuse(
          request,
          `node ${goQuote(node)} can only update pod status for pods with spec.nodeName set to itself`
        )
      if (changedLabels(request.object?.metadata.labels, old.metadata.labels).length > 0)
        throw refuse(request, `node ${goQuote(node)} cannot update labels through pod status`)
      return
    }
    case 'eviction':
      if ((await podOf(request)).spec?.nodeName === node) return
      throw refuse(request, `node ${node} can only evict pods with spec.nodeName set to itself`)
    default:
      throw refuse(
        request,
        `unexpected pod subresource ${goQuote(request.subresource)}, only 'status' and 'eviction' are allowed`
      )
  }
}

async function podOf(request: AdmissionRequest): Promise<Pod> {
  if (request.old !== undefined && request.kind.resource === 'pods') return request.old as unknown as Pod
  return await findPod(request, nameOf(request))
}

async function findPod(request: AdmissionRequest, name: string): Promise<Pod> {
  const entry = await request.store.get('pods', `${request.namespace}/${name}`)
  if (entry === undefined) throw missing(PODS, name)
  return entry.value as unknown as Pod
}

async function admitMirrorPod(request: AdmissionRequest, node: string): Promise<void> {
  const pod = request.object as unknown as Pod
  const who = `node ${goQuote(node)}`
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] === undefined)
    throw refuse(
      request,
      `pod does not have ${goQuote(MIRROR_ANNOTATION)} annotation, ${who} can only create mirror pods`
    )
  if (pod.spec?.nodeName !== node) throw refuse(request, `${who} can only create pods with spec.nodeName set to itself`)
  const [owner, ...others] = pod.metadata.ownerReferences ?? []
  if (others.length > 0)
    throw refuse(request, `${who} can only create pods with a single owner reference set to itself`)
  if (owner === undefined || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    throw refuse(request, `${who} can only create pods with an owner reference set to itself`)
  if (owner.controller !== true)
    throw refuse(request, `${who} can only create pods with a controller owner reference set to itself`)
  if (owner.blockOwnerDeletion === true)
    throw refuse(request, `${who} must not set blockOwnerDeletion on an owner reference`)
  const own = await request.store.get('nodes', node)
  if (own === undefined) throw missing({ group: '', resource: 'nodes' }, node)
  const { uid = '' } = own.value.metadata
  if (owner.uid !== uid) throw refuse(request, `node ${node} UID mismatch: expected ${owner.uid} got ${uid}`)
  const references = referencesOf(pod)
  const refers = (what: string) => refuse(request, `${who} can not create pods that reference ${what}`)
  if ((pod.spec.serviceAccountName ?? '') !== '') throw refers('a service account')
  if (references.secrets.size > 0) throw refers('secrets')
  if (references.configMaps.size > 0) throw refers('configmaps')
  if (references.claims.size > 0) throw refers('persistentvolumeclaims')
}

function admitNode(request: AdmissionRequest, node: string): void {
  const name = nameOf(request)
  const who = `node ${goQuote(node)}`
  if (name !== node) throw refuse(request, `${who} is not allowed to modify node ${goQuote(name)}`)
  const next = request.object as Node | undefined
  const old = request.old as Node | undefined
  if (request.operation === 'CREATE') {
    const labels = forbiddenLabels(changedLabels(next?.metadata.labels, undefined))
    if (labels !== '') throw refuse(request, `${who} is not allowed to set the following labels: ${labels}`)
  }
  if (request.operation === 'UPDATE') {
    if (JSON.stringify(next?.spec?.taints ?? []) !== JSON.stringify(old?.spec?.taints ?? []))
      throw refuse(request, `${who} is not allowed to modify taints`)
    const labels = forbiddenLabels(changedLabels(next?.metadata.labels, old?.metadata.labels))
    if (labels !== '') throw refuse(request, `is not allowed to modify labels: ${labels}`)
  }
}

type Labels = Readonly<Record<string, string>>

function changedLabels(next: Labels = {}, old: Labels = {}): string[] {
  return [...new Set([...Object.keys(next), ...Object.keys(old)])].filter((key) => next[key] !== old[key]).sort()
}

function forbiddenLabels(changed: readonly string[]): string {
  return changed.filter(isForbidden).join(', ')
}

function isForbidden(label: string): boolean {
  const slash = label.indexOf('/')
  const domain = slash < 0 ? '' : label.slice(0, slash)
  if (isWithin(domain, RESTRICTED)) return true
  if (!isWithin(domain, 'kubernetes.io') && !isWithin(domain, 'k8s.io')) return false
  return !KUBELET_LABELS.has(label) && !KUBELET_DOMAINS.some((own) => isWithin(domain, own))
}

function isWithin(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`)
}

function admitLease(request: AdmissionRequest, node: string): void {
  if (request.namespace !== LEASE_NAMESPACE)
    throw refuse(request, `can only access leases in the ${goQuote(LEASE_NAMESPACE)} system namespace`)
  if (nameOf(request) !== node)
    throw refuse(request, 'can only access node lease with the same name as the requesting node')
}

async function admitToken(request: AdmissionRequest, node: string): Promise<void> {
  if (request.operation !== 'CREATE' || request.subresource !== 'token') return
  const bound = (request.object as unknown as TokenRequest | undefined)?.spec.boundObjectRef
  if (bound?.apiVersion !== 'v1' || bound.kind !== 'Pod' || (bound.name ?? '') === '')
    throw refuse(request, 'node requested token not bound to a pod')
  if ((bound.uid ?? '') === '') throw refuse(request, 'node requested token with a pod binding without a uid')
  const pod = await findPod(request, bound.name ?? '')
  if (pod.metadata.uid !== bound.uid)
    throw refuse(
      request,
      `the UID in the bound object reference (${bound.uid}) does not match the UID in record. The object might have been deleted and then recreated`
    )
  if (pod.spec?.nodeName !== node)
    throw refuse(request, 'node requested token bound to a pod scheduled on a different node')
}
