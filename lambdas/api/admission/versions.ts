/** The objects of a request as another version of their kind, as a webhook or policy asked for it, and back. */
import { apiVersionOf, type Kind } from '../../../core/kinds/kind.ts'
import type { KubeObject } from '../../../core/object.ts'
import type { DecodedKind } from '../../../core/validate.ts'
import type { AdmissionRequest } from '../types.ts'

export interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** What the request's objects are of: a subresource may have a kind of its own (Scale, Binding, Eviction). */
export function objectKind({ subresource }: AdmissionRequest, kind: Kind): GroupVersionKind {
  const own = subresource === undefined ? undefined : kind.subresources.find(({ name }) => name === subresource)
  if (own === undefined || own.kind === kind.kind) return { group: kind.group, version: kind.version, kind: kind.kind }
  return { group: own.group ?? kind.group, version: own.version ?? kind.version, kind: own.kind }
}

/** How an object of the request is decoded. */
export function decodedKind(request: AdmissionRequest, kind: Kind): DecodedKind {
  const of = objectKind(request, kind)
  if (of.kind === kind.kind) return kind
  const group = of.group === '' ? 'core' : (of.group.split('.')[0] ?? '')
  return { kind: of.kind, version: of.version, schema: `io.k8s.api.${group}.${of.version}.${of.kind}` }
}

/** With kind and apiVersion, which stored objects may lack. */
export function typed(object: KubeObject, of: GroupVersionKind): KubeObject {
  const apiVersion = apiVersionOf(of)
  if (object.kind === of.kind && object.apiVersion === apiVersion) return object
  return { ...object, kind: of.kind, apiVersion }
}

export function converted(object: KubeObject, from: Kind, to: Kind): KubeObject {
  if (from === to) return object
  const stored = from.convert === undefined ? object : from.convert.toStorage(object)
  return to.convert === undefined ? typed(stored, to) : to.convert.fromStorage(stored)
}

/** Makes `object` what `next` is: plugins change the request's object in place. */
export function become(object: KubeObject, next: KubeObject): void {
  for (const field of Object.keys(object)) if (!Object.hasOwn(next, field)) delete object[field]
  Object.assign(object, next)
}
