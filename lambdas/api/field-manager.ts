/** Keeps metadata.managedFields on every write: who writes, what each way of writing can own, what becomes of it. */
import type { ApiRequest } from '../../core/http.ts'
import { isObject, type JsonObject } from '../../core/json.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import resources from '../../core/kinds/resources.json' with { type: 'json' }
import {
  type Entries,
  type Ignored,
  ignoring,
  NOTHING_IGNORED,
  startingEntries,
  trackUpdate,
  type Writer
} from '../../core/merge/managers.ts'
import { DEDUCED, namedType, type Type, zeroOf } from '../../core/merge/types.ts'
import type { KubeObject } from '../../core/object.ts'
import type { ApiContext, ResourceRequest } from './types.ts'

const MOST_MANAGER_BYTES = 128

/** The query's fieldManager, else the client's name: what stands before the first "/" of its User-Agent. */
export function managerOf({ headers, query, user }: ApiRequest): string {
  const given = query.get('fieldManager') ?? ''
  if (given !== '') return given
  const agent = headers['user-agent']
  if (agent === undefined) return user === undefined ? '' : componentOf(user.username)
  const [name = ''] = agent.split('/')
  let out = ''
  let bytes = 0
  for (const character of name) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) continue
    bytes += Buffer.byteLength(character)
    if (bytes > MOST_MANAGER_BYTES) break
    out += character
  }
  return out
}

const COMPONENT = /^system:(?:(kube-scheduler|kube-controller-manager)$|serviceaccount:kube-system:|node:)/

/** Wherry's own parts in one process send no User-Agent; they go by the names of those of Kubernetes. */
function componentOf(username: string): string {
  const found = COMPONENT.exec(username)
  if (found === null) return ''
  return found[1] ?? (username.startsWith('system:node:') ? 'kubelet' : 'kube-controller-manager')
}

const STATUS = ignoring('status')
const SPEC = ignoring('spec')
const SPEC_AND_METADATA = ignoring('spec', 'metadata')

/**
 * What each way cannot change, where it is not "status" of the object itself and "spec" of its status (GetResetFields of
 * the strategies in k8s.io/kubernetes). Keys: the store's resource, "/" and the subresource.
 */
const RESET: Readonly<Record<string, Ignored>> = {
  'admissionregistration.k8s.io/validatingadmissionpolicies/status': SPEC_AND_METADATA,
  'apiextensions.k8s.io/customresourcedefinitions/status': SPEC_AND_METADATA,
  'apiregistration.k8s.io/apiservices/status': SPEC_AND_METADATA,
  'apps/deployments/status': ignoring('spec', 'metadata.labels'),
  'certificates.k8s.io/certificatesigningrequests/': ignoring('spec', 'status'),
  'certificates.k8s.io/certificatesigningrequests/approval': ignoring('spec', 'status.certificate'),
  'certificates.k8s.io/certificatesigningrequests/status': ignoring('spec', 'status.conditions'),
  'flowcontrol.apiserver.k8s.io/flowschemas/status': SPEC_AND_METADATA,
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations/status': SPEC_AND_METADATA,
  'namespaces/finalize': STATUS,
  // Kubernetes has a slip in the group's name there.
  'networking.k8s.io/servicecidrs/': NOTHING_IGNORED,
  'networking.k8s.io/servicecidrs/status': NOTHING_IGNORED,
  'pods/status': ignoring('spec', 'metadata.deletionTimestamp', 'metadata.ownerReferences'),
  'resource.k8s.io/resourceclaims/status': SPEC_AND_METADATA,
  'storage.k8s.io/volumeattachments/status': SPEC_AND_METADATA
}

function ignoredBy(kind: Kind, subresource: string): Ignored {
  const known = RESET[`${kind.storage}/${subresource}`]
  if (known !== undefined) return known
  if (subresource === 'status') return isCustom(kind) ? SPEC_AND_METADATA : SPEC
  if (subresource !== '') return NOTHING_IGNORED
  return kind.subresources.some(({ name }) => name === 'status') ? STATUS : NOTHING_IGNORED
}

/** The versions of built-in kinds, by group and kind. */
const served = new Map<string, Set<string>>()
for (const { group, kind, version } of resources) {
  const key = `${group}/${kind}`
  const versions = served.get(key) ?? new Set()
  served.set(key, versions.add(group === '' ? version : `${group}/${version}`))
}

function isCustom({ group, kind }: Kind): boolean {
  return !served.has(`${group}/${kind}`)
}

function isServed({ group, kind }: Kind, apiVersion: string): boolean {
  const versions = served.get(`${group}/${kind}`)
  return versions?.has(apiVersion) ?? apiVersion.startsWith(`${group}/`)
}

const ways = new WeakMap<Kind, Map<string, Pick<Writer, 'apiVersion' | 'subresource' | 'ignored' | 'isServed'>>>()

/** The request's sender as a writer of the kind, by the request's way. */
export function writerOf(at: ResourceRequest, context: ApiContext): Writer {
  const { kind, subresource = '' } = at
  const known = ways.get(kind) ?? new Map()
  ways.set(kind, known)
  let way = known.get(subresource)
  if (way === undefined) {
    way = {
      apiVersion: apiVersionOf(kind),
      subresource,
      ignored: ignoredBy(kind, subresource),
      isServed: (apiVersion: string) => isServed(kind, apiVersion)
    }
    known.set(subresource, way)
  }
  const { request, user } = at
  return { ...way, manager: managerOf({ ...request, user }), now: context.ports.clock.now() }
}

/** How structured merging sees the kind. */
export function typeOfKind(kind: Kind): Type {
  if (kind.custom !== undefined) return kind.custom.type()
  return kind.schema === '' ? DEDUCED : namedType(kind.schema)
}

const zeros = new WeakMap<Type, JsonObject>()

function zeroOfType(type: Type): JsonObject {
  const known = zeros.get(type)
  if (known !== undefined) return known
  const zero = zeroOf(type) as JsonObject
  zeros.set(type, zero)
  return zero
}

/** The entries of a new object, whose client may have sent some. */
export function entriesOfNew(
  kind: Kind,
  object: KubeObject,
  { sent, writer }: { sent: unknown; writer: Writer }
): Entries {
  const type = typeOfKind(kind)
  const entries = sent === undefined ? [] : startingEntries([], sent)
  return trackUpdate({ type, live: zeroOfType(type), next: object, entries, writer })
}

/** The entries of a changed object. What was stored without any stays so until somebody applies. */
export function entriesOfChanged(
  kind: Kind,
  { next, old }: { next: KubeObject; old: KubeObject },
  writer: Writer
): Entries {
  const stored = old.metadata.managedFields ?? []
  const sent = writer.subresource === '' ? next.metadata.managedFields : undefined
  const entries = startingEntries(stored, sent)
  if (entries.length === 0) return entries
  return trackUpdate({ type: typeOfKind(kind), live: old, next, entries, writer })
}

export function setEntries({ metadata }: KubeObject, entries: Entries): void {
  if (entries.length === 0) delete metadata.managedFields
  else metadata.managedFields = entries as NonNullable<typeof metadata.managedFields>
}

/** Decoding drops empty lists, but this one is a wish: to forget all owners. */
export function keepReset(value: unknown, object: KubeObject): void {
  const metadata = isObject(value) ? value.metadata : undefined
  const sent = isObject(metadata) ? metadata.managedFields : undefined
  if (Array.isArray(sent) && sent.length === 0) object.metadata.managedFields = []
}
