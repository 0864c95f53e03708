/** The rights of each controller; each runs as its own service account in kube-system. */
import type { PolicyRule } from '../../core/kinds/types.ts'
import { allow, only, READ, writeEvents } from './bootstrap-rules.ts'

const WORKLOADS = 'apps,extensions'

/** Without the prefix "system:controller:"; the service account has the bare name. */
export const controllerRules: Readonly<Record<string, readonly PolicyRule[]>> = {
  'certificate-controller': [
    allow('get list watch delete', 'certificates.k8s.io', 'certificatesigningrequests'),
    allow('update', 'certificates.k8s.io', 'certificatesigningrequests/approval certificatesigningrequests/status'),
    only(allow('approve', 'certificates.k8s.io', 'signers'), 'kubernetes.io/kube-apiserver-client-kubelet'),
    only(
      allow('sign', 'certificates.k8s.io', 'signers'),
      'kubernetes.io/kube-apiserver-client',
      'kubernetes.io/kube-apiserver-client-kubelet',
      'kubernetes.io/kubelet-serving',
      'kubernetes.io/legacy-unknown'
    ),
    allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    writeEvents
  ],
  'clusterrole-aggregation-controller': [
    allow(`${READ} escalate patch update`, 'rbac.authorization.k8s.io', 'clusterroles')
  ],
  'cronjob-controller': [
    allow(`${READ} update`, 'batch', 'cronjobs'),
    allow(`${READ} create delete patch update`, 'batch', 'jobs'),
    allow('update', 'batch', 'cronjobs/status'),
    allow('update', 'batch', 'cronjobs/finalizers'),
    allow('delete list watch', '', 'pods'),
    writeEvents
  ],
  'daemon-set-controller': [
    allow(READ, WORKLOADS, 'daemonsets'),
    allow('update', WORKLOADS, 'daemonsets/status'),
    allow('update', WORKLOADS, 'daemonsets/finalizers'),
    allow('list watch', '', 'nodes'),
    allow('create delete list patch watch', '', 'pods'),
    allow('create', '', 'pods/binding'),
    allow(`${READ} create delete patch update`, 'apps', 'controllerrevisions'),
    writeEvents
  ],
  'deployment-controller': [
    allow(`${READ} update`, WORKLOADS, 'deployments'),
    allow('update', WORKLOADS, 'deployments/status'),
    allow('update', WORKLOADS, 'deployments/finalizers'),
    allow(`${READ} create delete patch update`, WORKLOADS, 'replicasets'),
    allow(`${READ} update`, '', 'pods'),
    writeEvents
  ],
  'disruption-controller': [
    allow(READ, WORKLOADS, 'deployments'),
    allow(READ, WORKLOADS, 'replicasets'),
    allow(READ, '', 'replicationcontrollers'),
    allow(READ, 'policy', 'poddisruptionbudgets'),
    allow(READ, 'apps', 'statefulsets'),
    allow('update', 'policy', 'poddisruptionbudgets/status'),
    allow('patch update', '', 'pods/status'),
    allow('get', '*', '*/scale'),
    writeEvents
  ],
  'endpoint-controller': [
    allow(READ, '', 'pods services'),
    allow(`${READ} create delete update`, '', 'endpoints'),
    allow('create', '', 'endpoints/restricted'),
    writeEvents
  ],
  'endpointslice-controller': [
    allow(READ, '', 'nodes pods services'),
    allow('update', '', 'services/finalizers'),
    allow(`${READ} create delete update`, 'discovery.k8s.io', 'endpointslices'),
    writeEvents
  ],
  'endpointslicemirroring-controller': [
    allow(READ, '', 'endpoints services'),
    allow('update', '', 'services/finalizers'),
    allow('update', '', 'endpoints/finalizers'),
    allow(`${READ} create delete update`, 'discovery.k8s.io', 'endpointslices'),
    writeEvents
  ],
  'ephemeral-volume-controller': [
    allow(READ, '', 'pods'),
    allow('update', '', 'pods/finalizers'),
    allow(`${READ} create`, '', 'persistentvolumeclaims'),
    writeEvents
  ],
  // Wherry's own: runs pods as Fargate tasks.
  'fargate-controller': [
    allow(`${READ} create patch`, '', 'nodes'),
    allow('patch update', '', 'nodes/status'),
    allow(`${READ} delete`, '', 'pods'),
    allow('patch update', '', 'pods/status'),
    allow('get', '', 'configmaps secrets'),
    writeEvents
  ],
  'generic-garbage-collector': [allow(`${READ} delete patch update`, '*', '*'), writeEvents],
  'horizontal-pod-autoscaler': [
    allow(READ, 'autoscaling', 'horizontalpodautoscalers'),
    allow('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    allow('get update', '*', '*/scale'),
    allow('list watch', '', 'pods'),
    allow('list watch', 'metrics.k8s.io', 'pods'),
    allow(READ, 'custom.metrics.k8s.io', '*'),
    allow(READ, 'external.metrics.k8s.io', '*'),
    writeEvents
  ],
  'job-controller': [
    allow(`${READ} patch update`, 'batch', 'jobs'),
    allow('update', 'batch', 'jobs/status'),
    allow('update', 'batch', 'jobs/finalizers'),
    allow('create delete list patch watch', '', 'pods'),
    writeEvents
  ],
  'namespace-controller': [
    allow(`${READ} delete`, '', 'namespaces'),
    allow('update', '', 'namespaces/finalize namespaces/status'),
    allow(`${READ} delete deletecollection`, '*', '*')
  ],
  'node-controller': [
    allow(`${READ} delete patch update`, '', 'nodes'),
    allow('patch update', '', 'nodes/status'),
    allow('patch update', '', 'pods/status'),
    allow(`${READ} delete`, '', 'pods'),
    // The leases of nodes are part of what node lifecycle reads; kube-controller-manager reads them as itself.
    allow(READ, 'coordination.k8s.io', 'leases'),
    writeEvents
  ],
  // Wherry's own: makes nodes on demand.
  'node-provisioner': [
    allow(`${READ} create update`, 'internal.wherry.dev', 'fleets'),
    allow(READ, 'internal.wherry.dev', 'nodeledgers'),
    allow(`${READ} delete patch`, '', 'nodes'),
    allow(READ, '', 'pods'),
    allow(READ, 'apps', 'daemonsets'),
    writeEvents
  ],
  'persistent-volume-binder': [
    allow(`${READ} create delete update`, '', 'persistentvolumes'),
    allow('update', '', 'persistentvolumes/status'),
    allow(`${READ} update`, '', 'persistentvolumeclaims'),
    allow('update', '', 'persistentvolumeclaims/status'),
    allow(`${READ} create delete`, '', 'pods'),
    allow(READ, 'storage.k8s.io', 'storageclasses'),
    allow('list watch', '', 'nodes'),
    writeEvents,
    allow('watch', '', 'events'),
    allow('get', '', 'services')
  ],
  'pod-garbage-collector': [
    allow('delete list watch', '', 'pods'),
    allow(READ, '', 'nodes'),
    allow('patch', '', 'pods/status')
  ],
  'pv-protection-controller': [allow(`${READ} update`, '', 'persistentvolumes'), writeEvents],
  'pvc-protection-controller': [
    allow(`${READ} update`, '', 'persistentvolumeclaims'),
    allow(READ, '', 'pods'),
    writeEvents
  ],
  'replicaset-controller': [
    allow(`${READ} update`, WORKLOADS, 'replicasets'),
    allow('update', WORKLOADS, 'replicasets/status'),
    allow('update', WORKLOADS, 'replicasets/finalizers'),
    allow('create delete list patch watch', '', 'pods'),
    writeEvents
  ],
  'replication-controller': [
    allow(`${READ} update`, '', 'replicationcontrollers'),
    allow('update', '', 'replicationcontrollers/status'),
    allow('update', '', 'replicationcontrollers/finalizers'),
    allow('create delete list patch watch', '', 'pods'),
    writeEvents
  ],
  'resourcequota-controller': [
    allow('list watch', '*', '*'),
    allow('update', '', 'resourcequotas/status'),
    writeEvents
  ],
  'root-ca-cert-publisher': [allow('create update', '', 'configmaps'), writeEvents],
  'route-controller': [allow('list watch', '', 'nodes'), allow('patch', '', 'nodes/status'), writeEvents],
  'service-account-controller': [allow('create', '', 'serviceaccounts'), writeEvents],
  'service-controller': [
    allow(READ, '', 'services'),
    allow('patch update', '', 'services/status'),
    allow('list watch', '', 'nodes'),
    writeEvents
  ],
  'statefulset-controller': [
    allow('list watch', '', 'pods'),
    allow(READ, 'apps', 'statefulsets'),
    allow('update', 'apps', 'statefulsets/status'),
    allow('update', 'apps', 'statefulsets/finalizers'),
    allow('create delete get patch update', '', 'pods'),
    allow(`${READ} create delete patch update`, 'apps', 'controllerrevisions'),
    allow(`${READ} create`, '', 'persistentvolumeclaims'),
    allow('delete update', '', 'persistentvolumeclaims'),
    allow('update', '', 'pods/finalizers'),
    writeEvents
  ],
  'ttl-after-finished-controller': [allow(`${READ} delete`, 'batch', 'jobs'), writeEvents],
  'ttl-controller': [allow('list patch update watch', '', 'nodes'), writeEvents]
}
