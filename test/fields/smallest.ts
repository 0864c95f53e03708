/** The smallest object of each built-in kind that Kubernetes takes, without its name. Data; one entry a kind. */
type Fields = Readonly<Record<string, unknown>>

const CSR =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIY01JR0RBZ0VBTUNFeER6QU5CZ05WQkFvTUJtZHZiR1JsYmpFT01Bd0dBMVVFQXd3RllXeHBZMlV3V1RBVApCZ2NxaGtqT1BRSUJCZ2dxaGtqT1BRTUJCd05DQUFUVG5DQi81VXYxMmtid0ZBUFdnZ3JDa3pGc2lJM1dDNGtaCkNJRDFkRHNTOWNzODdaRkJqU2JYRXgvS0JYemlVL2h2OCt6ZlRPUjNiSFlEZVA1cDBaSndvQUF3Q2dZSUtvWkkKemowRUF3SURTQUF3UlFJaEFPRENpUVpHbUFnSlVKVWNxbis2NDBRQkVkZUl6ZGx5RnpIV0NjeThBWnRpQWlCegpTZU9udlh6OW9RcWpCeWwzZDhTeXEyOUJ4UW9POGh3ckpQZnpYYTVJOGc9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K'

const containers = [{ name: 'c', image: 'busybox' }]
const labels = { app: 'a' }
const template = { metadata: { labels }, spec: { containers } }
const once = { spec: { containers, restartPolicy: 'Never' } }
const webhook = {
  name: 'w.example.com',
  clientConfig: { url: 'https://127.0.0.1:9/w' },
  sideEffects: 'None',
  admissionReviewVersions: ['v1']
}
const requests = { exactly: { deviceClassName: 'example.com' }, name: 'r' }
const target = { kind: 'Deployment', name: 'd' }

/** By "group/resource" of the preferred version, else "group/version/resource". */
export const SMALLEST: Readonly<Record<string, Fields>> = {
  '/configmaps': {},
  '/endpoints': {},
  '/events': { involvedObject: { namespace: '{ns}' } },
  '/limitranges': {},
  '/namespaces': {},
  '/nodes': {},
  '/persistentvolumeclaims': {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  },
  '/persistentvolumes': {
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/a' } }
  },
  '/pods': { spec: { containers } },
  '/podtemplates': {},
  '/replicationcontrollers': { spec: { template } },
  '/resourcequotas': {},
  '/secrets': {},
  '/serviceaccounts': {},
  '/services': { spec: { ports: [{ port: 80 }] } },
  'apiregistration.k8s.io/apiservices': {
    spec: { group: 'g.example.com', version: 'v1', groupPriorityMinimum: 100, versionPriority: 10 }
  },
  'apiextensions.k8s.io/customresourcedefinitions': {
    spec: {
      group: 'fields.example.com',
      names: { plural: 'plays', kind: 'Play' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }]
    }
  },
  'apps/controllerrevisions': { revision: 1, data: { a: 1 } },
  'apps/daemonsets': { spec: { selector: { matchLabels: labels }, template } },
  'apps/deployments': { spec: { selector: { matchLabels: labels }, template } },
  'apps/replicasets': { spec: { selector: { matchLabels: labels }, template } },
  'apps/statefulsets': { spec: { selector: { matchLabels: labels }, template } },
  'events.k8s.io/events': {
    eventTime: '2026-01-02T03:04:05.000000Z',
    action: 'a',
    reason: 'r',
    type: 'Normal',
    reportingController: 'example.com/c',
    reportingInstance: 'i',
    regarding: { namespace: '{ns}' }
  },
  'autoscaling/horizontalpodautoscalers': { spec: { scaleTargetRef: target, maxReplicas: 2 } },
  'autoscaling/v1/horizontalpodautoscalers': { spec: { scaleTargetRef: target, maxReplicas: 2 } },
  'batch/cronjobs': { spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: once } } } },
  'batch/jobs': { spec: { template: once } },
  'certificates.k8s.io/certificatesigningrequests': {
    spec: { request: CSR, signerName: 'example.com/s', usages: ['digital signature'] }
  },
  'networking.k8s.io/ingressclasses': { spec: { controller: 'example.com/c' } },
  'networking.k8s.io/ingresses': { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } },
  'networking.k8s.io/networkpolicies': { spec: { podSelector: {} } },
  'networking.k8s.io/ipaddresses': { spec: { parentRef: { resource: 'services', name: 's', namespace: '{ns}' } } },
  'networking.k8s.io/servicecidrs': { spec: { cidrs: ['10.97.0.0/24'] } },
  'policy/poddisruptionbudgets': { spec: {} },
  'rbac.authorization.k8s.io/clusterrolebindings': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }
  },
  'rbac.authorization.k8s.io/clusterroles': {},
  'rbac.authorization.k8s.io/rolebindings': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }
  },
  'rbac.authorization.k8s.io/roles': {},
  'storage.k8s.io/csidrivers': { spec: {} },
  'storage.k8s.io/csinodes': { spec: { drivers: [] } },
  'storage.k8s.io/csistoragecapacities': { storageClassName: 's' },
  'storage.k8s.io/storageclasses': { provisioner: 'example.com/p' },
  'storage.k8s.io/volumeattachments': {
    spec: { attacher: 'example.com', nodeName: 'n', source: { persistentVolumeName: 'v' } }
  },
  'storage.k8s.io/volumeattributesclasses': { driverName: 'example.com', parameters: { a: 'b' } },
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': { webhooks: [webhook] },
  'admissionregistration.k8s.io/validatingwebhookconfigurations': { webhooks: [webhook] },
  'admissionregistration.k8s.io/validatingadmissionpolicies': {
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['a'] }]
      },
      validations: [{ expression: 'true' }]
    }
  },
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': {
    spec: { policyName: 'p', validationActions: ['Deny'] }
  },
  'scheduling.k8s.io/priorityclasses': { value: 1 },
  'coordination.k8s.io/leases': {},
  'node.k8s.io/runtimeclasses': { handler: 'h' },
  'discovery.k8s.io/endpointslices': { addressType: 'IPv4', endpoints: [] },
  'resource.k8s.io/deviceclasses': { spec: {} },
  'resource.k8s.io/resourceclaims': { spec: { devices: { requests: [requests] } } },
  'resource.k8s.io/resourceclaimtemplates': { spec: { spec: { devices: { requests: [requests] } } } },
  'resource.k8s.io/resourceslices': {
    spec: { driver: 'example.com', nodeName: 'n', pool: { name: 'p', resourceSliceCount: 1, generation: 1 } }
  },
  'flowcontrol.apiserver.k8s.io/flowschemas': {
    spec: { priorityLevelConfiguration: { name: 'catch-all' } }
  },
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': { spec: { type: 'Limited', limited: {} } }
}

/** Names that the kind's own rules ask for; all others are called "smallest". */
export const NAMES: Readonly<Record<string, string>> = {
  'apiextensions.k8s.io/customresourcedefinitions': 'plays.fields.example.com',
  'apiregistration.k8s.io/apiservices': 'v1.g.example.com',
  'networking.k8s.io/ipaddresses': '10.96.77.7'
}
