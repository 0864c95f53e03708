import type { ObjectMeta, OwnerReference } from './kinds/types.ts'

/** Any object of the API. Objects that come out of the store or the client are shared: never change one, copy it. */
export interface KubeObject {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  [field: string]: unknown
}

/** An object of any generated kind: interfaces carry no index signature, so KubeObject alone would refuse them. */
export interface Resource {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
}

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

/** The store's key of an object: "namespace/name", or "name" where the kind is cluster-scoped. */
export function keyOf(metadata: ObjectMeta): string {
  const name = metadata.name ?? ''
  return metadata.namespace === undefined || metadata.namespace === '' ? name : `${metadata.namespace}/${name}`
}

export function splitKey(key: string): { namespace: string | undefined; name: string } {
  const slash = key.indexOf('/')
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

export function isTerminating(object: Resource): boolean {
  return object.metadata.deletionTimestamp !== undefined
}

/** The owner that manages the object (metav1.GetControllerOf). */
export function controllerOf(object: Resource): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true)
}
