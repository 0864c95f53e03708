/** The roles and bindings that a cluster starts with, as Kubernetes 1.35's. */
import type { PolicyRule, RbacSubject } from '../../core/kinds/types.ts'
import { controllerRules } from './bootstrap-controllers.ts'
import { ALL, allow, allowPaths, only, READ, WRITE, writeEvents } from './bootstrap-rules.ts'

const GROUP = 'rbac.authorization.k8s.io'
const CERTIFICATES = 'certificates.k8s.io'
const RESOURCES = 'resource.k8s.io'
/** Both groups that events are in. */
const EVENTS = ',events.k8s.io'

/** What every node may do; authz-node.ts narrows access to secrets, pods and the like to what the node runs. */
export const nodeRules: readonly PolicyRule[] = [
  allow('create', 'authentication.k8s.io', 'tokenreviews'),
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  allow(READ, '', 'services'),
  allow(`${READ} create`, '', 'nodes'),
  allow('patch update', '', 'nodes/status'),
  allow('patch update', '', 'nodes'),
  writeEvents,
  allow(READ, '', 'pods'),
  allow('create delete', '', 'pods'),
  allow('patch update', '', 'pods/status'),
  allow('create', '', 'pods/eviction'),
  allow(READ, '', 'configmaps secrets'),
  allow('get', '', 'persistentvolumeclaims persistentvolumes'),
  allow('get', '', 'endpoints'),
  allow(`${READ} create`, CERTIFICATES, 'certificatesigningrequests'),
  allow('create delete get patch update', 'coordination.k8s.io', 'leases'),
  allow('get', 'storage.k8s.io', 'volumeattachments'),
  allow('create', '', 'serviceaccounts/token'),
  allow('get patch update', '', 'persistentvolumeclaims/status'),
  allow(READ, 'storage.k8s.io', 'csidrivers'),
  allow('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  allow(READ, 'node.k8s.io', 'runtimeclasses'),
  // Wherry's agent is its node's service proxy and DNS server too, which have users of their own in Kubernetes.
  allow(READ, 'discovery.k8s.io', 'endpointslices'),
  allow(READ, '', 'namespaces')
]

interface RoleSpec {
  readonly rules?: readonly PolicyRule[]
  /** Into which of admin, edit and view its rules go. */
  readonly into?: 'admin' | 'edit' | 'view'
  /** Its own rules are those of every role that goes into it. */
  readonly aggregates?: 'admin' | 'edit' | 'view'
}

const WORKLOADS_SCALED = 'deployments deployments/scale replicasets replicasets/scale'
const OWN_ACCESS = 'pods/attach pods/exec pods/portforward pods/proxy'

export const clusterRoles: Readonly<Record<string, RoleSpec>> = {
  'cluster-admin': { rules: [allow('*', '*', '*'), allowPaths('*', '*')] },
  admin: { aggregates: 'admin' },
  edit: { aggregates: 'edit', into: 'admin' },
  view: { aggregates: 'view', into: 'edit' },
  'system:aggregate-to-admin': {
    into: 'admin',
    rules: [
      allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
      allow(ALL, GROUP, 'rolebindings roles')
    ]
  },
  'system:aggregate-to-edit': {
    into: 'edit',
    rules: [
      allow(READ, '', `${OWN_ACCESS} secrets services/proxy`),
      allow('impersonate', '', 'serviceaccounts'),
      allow(WRITE, '', `pods ${OWN_ACCESS}`),
      allow('create', '', 'pods/eviction'),
      allow(
        WRITE,
        '',
        'configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy'
      ),
      allow('create', '', 'serviceaccounts/token'),
      allow(WRITE, EVENTS, 'events'),
      allow(WRITE, 'apps', `daemonsets deployments/rollback ${WORKLOADS_SCALED} statefulsets statefulsets/scale`),
      allow(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
      allow(WRITE, 'batch', 'cronjobs jobs'),
      allow(
        WRITE,
        'extensions',
        `daemonsets deployments/rollback ${WORKLOADS_SCALED} ingresses networkpolicies replicationcontrollers/scale`
      ),
      allow(WRITE, 'policy', 'poddisruptionbudgets'),
      allow(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
      allow(ALL, 'coordination.k8s.io', 'leases'),
      allow(WRITE, RESOURCES, 'resourceclaims resourceclaimtemplates')
    ]
  },
  'system:aggregate-to-view': {
    into: 'view',
    rules: [
      allow(
        READ,
        '',
        'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status'
      ),
      allow(
        READ,
        '',
        'bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status'
      ),
      allow(READ, '', 'namespaces'),
      allow(READ, EVENTS, 'events'),
      allow(READ, 'discovery.k8s.io', 'endpointslices'),
      allow(
        READ,
        'apps',
        `controllerrevisions daemonsets daemonsets/status deployments/status replicasets/status ${WORKLOADS_SCALED} statefulsets statefulsets/scale statefulsets/status`
      ),
      allow(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
      allow(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
      allow(
        READ,
        'extensions',
        `daemonsets daemonsets/status deployments/status ingresses ingresses/status networkpolicies replicasets/status ${WORKLOADS_SCALED} replicationcontrollers/scale`
      ),
      allow(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
      allow(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
      allow(READ, RESOURCES, 'resourceclaims resourceclaims/status resourceclaimtemplates')
    ]
  },
  'system:auth-delegator': {
    rules: [
      allow('create', 'authentication.k8s.io', 'tokenreviews'),
      allow('create', 'authorization.k8s.io', 'subjectaccessreviews')
    ]
  },
  'system:basic-user': {
    rules: [
      allow('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      allow('create', 'authentication.k8s.io', 'selfsubjectreviews')
    ]
  },
  ...certificateRoles(),
  'system:discovery': {
    rules: [
      allowPaths('get', '/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/')
    ]
  },
  'system:heapster': {
    rules: [allow(READ, '', 'events namespaces nodes pods'), allow(READ, 'extensions', 'deployments')]
  },
  'system:kube-aggregator': { rules: [allow(READ, '', 'endpoints services')] },
  'system:kube-controller-manager': {
    rules: [
      writeEvents,
      allow('create', 'coordination.k8s.io', 'leases'),
      only(allow('get update', 'coordination.k8s.io', 'leases'), 'kube-controller-manager'),
      allow('create', '', 'secrets serviceaccounts'),
      allow('delete', '', 'secrets'),
      allow('get', '', 'configmaps namespaces secrets serviceaccounts'),
      allow('update', '', 'secrets serviceaccounts'),
      allow('create', 'authentication.k8s.io', 'tokenreviews'),
      allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      allow('list watch', '*', '*'),
      allow('create', '', 'serviceaccounts/token')
    ]
  },
  'system:kube-dns': { rules: [allow('list watch', '', 'endpoints services')] },
  'system:kube-scheduler': {
    rules: [
      writeEvents,
      allow('create', 'coordination.k8s.io', 'leases'),
      only(allow('get list update watch', 'coordination.k8s.io', 'leases'), 'kube-scheduler'),
      allow(READ, '', 'nodes'),
      allow(`${READ} delete`, '', 'pods'),
      allow('create', '', 'bindings pods/binding'),
      allow('patch update', '', 'pods/status'),
      allow(READ, '', 'replicationcontrollers services'),
      allow(READ, 'apps,extensions', 'replicasets'),
      allow(READ, 'apps', 'statefulsets'),
      allow(READ, 'policy', 'poddisruptionbudgets'),
      allow(READ, '', 'persistentvolumeclaims persistentvolumes'),
      allow('create', 'authentication.k8s.io', 'tokenreviews'),
      allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      allow(READ, 'storage.k8s.io', 'csinodes'),
      allow(READ, '', 'namespaces'),
      allow(READ, 'storage.k8s.io', 'csidrivers'),
      allow(READ, 'storage.k8s.io', 'csistoragecapacities'),
      // Wherry's scheduler decides from the node ledgers.
      allow(READ, 'internal.wherry.dev', '*'),
      allow(READ, 'scheduling.k8s.io', 'priorityclasses')
    ]
  },
  'system:kubelet-api-admin': {
    rules: [
      allow(READ, '', 'nodes'),
      allow('proxy', '', 'nodes'),
      allow('*', '', 'nodes/log nodes/metrics nodes/proxy nodes/stats'),
      allow('*', '', 'nodes/configz nodes/healthz nodes/pods')
    ]
  },
  'system:monitoring': {
    rules: [
      allowPaths('get', '/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*'),
      allow('get', '', 'nodes/metrics')
    ]
  },
  'system:node': { rules: nodeRules },
  'system:node-bootstrapper': { rules: [allow(`${READ} create`, CERTIFICATES, 'certificatesigningrequests')] },
  'system:node-problem-detector': {
    rules: [allow('get', '', 'nodes'), allow('patch', '', 'nodes/status'), writeEvents]
  },
  'system:node-proxier': {
    rules: [
      allow('list watch', '', 'endpoints services'),
      allow(READ, '', 'nodes'),
      writeEvents,
      allow('list watch', 'networking.k8s.io', 'servicecidrs'),
      allow('list watch', 'discovery.k8s.io', 'endpointslices')
    ]
  },
  'system:persistent-volume-provisioner': {
    rules: [
      allow(`${READ} create delete`, '', 'persistentvolumes'),
      allow(`${READ} update`, '', 'persistentvolumeclaims'),
      allow(READ, 'storage.k8s.io', 'storageclasses'),
      allow('watch', '', 'events'),
      writeEvents
    ]
  },
  'system:public-info-viewer': { rules: [allowPaths('get', '/healthz /livez /readyz /version /version/')] },
  'system:service-account-issuer-discovery': {
    rules: [
      allowPaths(
        'get',
        '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/'
      )
    ]
  },
  'system:volume-scheduler': {
    rules: [
      allow(`${READ} patch update`, '', 'persistentvolumes'),
      allow(READ, 'storage.k8s.io', 'storageclasses'),
      allow(`${READ} patch update`, '', 'persistentvolumeclaims')
    ]
  },
  ...Object.fromEntries(
    Object.entries(controllerRules).map(([name, rules]) => [`system:controller:${name}`, { rules }])
  )
}

function certificateRoles(): Record<string, RoleSpec> {
  const prefix = 'system:certificates.k8s.io:'
  const approvers = ['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown']
  const requests = ['nodeclient', 'selfnodeclient']
  return Object.fromEntries([
    ...requests.map((name) => [
      `${prefix}certificatesigningrequests:${name}`,
      { rules: [allow('create', CERTIFICATES, `certificatesigningrequests/${name}`)] }
    ]),
    ...approvers.map((name) => [
      `${prefix}${name}-approver`,
      { rules: [only(allow('approve', CERTIFICATES, 'signers'), `kubernetes.io/${name}`)] }
    ])
  ])
}

const group = (name: string): RbacSubject => ({ apiGroup: GROUP, kind: 'Group', name })
const user = (name: string): RbacSubject => ({ apiGroup: GROUP, kind: 'User', name })
const account = (name: string): RbacSubject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' })

/** Each binds the ClusterRole of its own name. */
export const clusterRoleBindings: Readonly<Record<string, readonly RbacSubject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:basic-user': [group('system:authenticated')],
  'system:discovery': [group('system:authenticated')],
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [account('kube-dns')],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:monitoring': [group('system:monitoring')],
  // Nodes are authorised by authz-node.ts, not by this binding: it has nobody in it, as in Kubernetes.
  'system:node': [],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:public-info-viewer': [group('system:authenticated'), group('system:unauthenticated')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
  ...Object.fromEntries(Object.keys(controllerRules).map((name) => [`system:controller:${name}`, [account(name)]]))
}

const leaderLock: readonly PolicyRule[] = [
  allow('create get list update watch', 'coordination.k8s.io', 'leases'),
  allow('create get list update watch', 'coordination.k8s.io', 'leasecandidates')
]

/** By "namespace/name". */
export const roles: Readonly<Record<string, readonly PolicyRule[]>> = {
  'kube-public/system:controller:bootstrap-signer': [
    allow(READ, '', 'configmaps'),
    only(allow('update', '', 'configmaps'), 'cluster-info'),
    writeEvents
  ],
  'kube-system/extension-apiserver-authentication-reader': [
    only(allow(READ, '', 'configmaps'), 'extension-apiserver-authentication')
  ],
  'kube-system/system::leader-locking-kube-controller-manager': leaderLock,
  'kube-system/system::leader-locking-kube-scheduler': leaderLock,
  'kube-system/system:controller:bootstrap-signer': [allow(READ, '', 'secrets')],
  'kube-system/system:controller:cloud-provider': [allow('create get list watch', '', 'configmaps')],
  'kube-system/system:controller:token-cleaner': [allow(`${READ} delete`, '', 'secrets'), writeEvents]
}

const manager = [
  user('system:kube-controller-manager'),
  account('kube-controller-manager'),
  account('leader-election-controller')
]
const scheduler = [user('system:kube-scheduler'), account('kube-scheduler')]

/** By "namespace/name": who gets which Role of that namespace. */
export const roleBindings: Readonly<Record<string, { role: string; subjects: readonly RbacSubject[] }>> = {
  'kube-public/system:controller:bootstrap-signer': {
    role: 'system:controller:bootstrap-signer',
    subjects: [account('bootstrap-signer')]
  },
  'kube-system/system::extension-apiserver-authentication-reader': {
    role: 'extension-apiserver-authentication-reader',
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')]
  },
  'kube-system/system::leader-locking-kube-controller-manager': {
    role: 'system::leader-locking-kube-controller-manager',
    subjects: manager
  },
  'kube-system/system::leader-locking-kube-scheduler': {
    role: 'system::leader-locking-kube-scheduler',
    subjects: scheduler
  },
  'kube-system/system:controller:bootstrap-signer': {
    role: 'system:controller:bootstrap-signer',
    subjects: [account('bootstrap-signer')]
  },
  'kube-system/system:controller:cloud-provider': {
    role: 'system:controller:cloud-provider',
    subjects: [account('cloud-provider')]
  },
  'kube-system/system:controller:token-cleaner': {
    role: 'system:controller:token-cleaner',
    subjects: [account('token-cleaner')]
  }
}
