/**
 * Where Kubernetes' registries differ in a yes or no (AllowCreateOnUpdate, AllowUnconditionalUpdate,
 * ReturnDeletedObject of each resource's strategy). Keys are the store's resources.
 */

/** A PUT to a missing object creates it. */
const CREATED_BY_UPDATE = new Set([
  'endpoints',
  'events',
  'limitranges',
  'services',
  'coordination.k8s.io/leases',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/roles'
])

/** A PUT must name the version that it replaces. */
const CONDITIONAL_UPDATE = new Set([
  'coordination.k8s.io/leases',
  'policy/poddisruptionbudgets',
  'apiextensions.k8s.io/customresourcedefinitions'
])

/** A DELETE is answered with the object, not with a Status. */
const RETURNED_WHEN_DELETED = new Set([
  'persistentvolumeclaims',
  'persistentvolumes',
  'pods',
  'podtemplates',
  'resourcequotas',
  'serviceaccounts',
  'services',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/volumeattachments'
])

/** Has no dependents: deletion never leaves finalizers for the garbage collector. */
const WITHOUT_DEPENDENTS = new Set(['events', 'events.k8s.io/events'])

export const isCreatedByUpdate = (storage: string): boolean => CREATED_BY_UPDATE.has(storage)
export const needsVersionToUpdate = (storage: string): boolean => CONDITIONAL_UPDATE.has(storage)
export const isReturnedWhenDeleted = (storage: string): boolean => RETURNED_WHEN_DELETED.has(storage)
export const hasNoDependents = (storage: string): boolean => WITHOUT_DEPENDENTS.has(storage)

/** By "group/version/resource": what Kubernetes tells everybody who still asks for it. */
const DEPRECATED: Readonly<Record<string, string>> = {
  '/v1/endpoints': 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  '/v1/componentstatuses': 'v1 ComponentStatus is deprecated in v1.19+'
}

export function deprecation(at: {
  readonly group: string
  readonly version: string
  readonly resource: string
}): string | undefined {
  const id = `${at.group}/${at.version}/${at.resource}`
  return Object.hasOwn(DEPRECATED, id) ? DEPRECATED[id] : undefined
}
