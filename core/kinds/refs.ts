import type {
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  Lease,
  Namespace,
  Node,
  Pod,
  PriorityClass,
  ReplicaSet,
  Role,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  SubjectAccessReview
} from './types.ts'

/** What a client needs to know of a resource to ask for it; `T` is the type of its objects. */
export interface ResourceRef<T> {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** Carries the type; never set. */
  readonly object?: T
}

function ref<T>(apiVersion: string, resource: string, options: { kind: string; namespaced?: boolean }): ResourceRef<T> {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  return { group, version, resource, kind: options.kind, namespaced: options.namespaced ?? true }
}

export const namespaces = ref<Namespace>('v1', 'namespaces', { kind: 'Namespace', namespaced: false })
export const nodes = ref<Node>('v1', 'nodes', { kind: 'Node', namespaced: false })
export const pods = ref<Pod>('v1', 'pods', { kind: 'Pod' })
export const services = ref<Service>('v1', 'services', { kind: 'Service' })
export const endpoints = ref<Endpoints>('v1', 'endpoints', { kind: 'Endpoints' })
export const endpointSlices = ref<EndpointSlice>('discovery.k8s.io/v1', 'endpointslices', { kind: 'EndpointSlice' })
export const configMaps = ref<ConfigMap>('v1', 'configmaps', { kind: 'ConfigMap' })
export const secrets = ref<Secret>('v1', 'secrets', { kind: 'Secret' })
export const serviceAccounts = ref<ServiceAccount>('v1', 'serviceaccounts', { kind: 'ServiceAccount' })
export const events = ref<Event>('v1', 'events', { kind: 'Event' })
export const leases = ref<Lease>('coordination.k8s.io/v1', 'leases', { kind: 'Lease' })
export const deployments = ref<Deployment>('apps/v1', 'deployments', { kind: 'Deployment' })
export const daemonSets = ref<DaemonSet>('apps/v1', 'daemonsets', { kind: 'DaemonSet' })
export const replicaSets = ref<ReplicaSet>('apps/v1', 'replicasets', { kind: 'ReplicaSet' })
export const controllerRevisions = ref<ControllerRevision>('apps/v1', 'controllerrevisions', {
  kind: 'ControllerRevision'
})
export const priorityClasses = ref<PriorityClass>('scheduling.k8s.io/v1', 'priorityclasses', {
  kind: 'PriorityClass',
  namespaced: false
})
export const roles = ref<Role>('rbac.authorization.k8s.io/v1', 'roles', { kind: 'Role' })
export const roleBindings = ref<RoleBinding>('rbac.authorization.k8s.io/v1', 'rolebindings', { kind: 'RoleBinding' })
export const clusterRoles = ref<ClusterRole>('rbac.authorization.k8s.io/v1', 'clusterroles', {
  kind: 'ClusterRole',
  namespaced: false
})
export const clusterRoleBindings = ref<ClusterRoleBinding>('rbac.authorization.k8s.io/v1', 'clusterrolebindings', {
  kind: 'ClusterRoleBinding',
  namespaced: false
})
export const certificateSigningRequests = ref<CertificateSigningRequest>(
  'certificates.k8s.io/v1',
  'certificatesigningrequests',
  { kind: 'CertificateSigningRequest', namespaced: false }
)
export const subjectAccessReviews = ref<SubjectAccessReview>('authorization.k8s.io/v1', 'subjectaccessreviews', {
  kind: 'SubjectAccessReview',
  namespaced: false
})
