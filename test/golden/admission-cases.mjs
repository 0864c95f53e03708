// The exchanges that admission-recorded.json was made from: pod security standards and the plugins that run by default.
const core = '/api/v1/namespaces/{ns}'
const apps = '/apis/apps/v1/namespaces/{ns}'
const batch = '/apis/batch/v1/namespaces/{ns}'
const types = { json: 'application/json-patch+json', merge: 'application/merge-patch+json' }

const post = (path, body, more = {}) => ({ method: 'POST', path, body, ...more })
const put = (path, body, more = {}) => ({ method: 'PUT', path, body, ...more })
const get = (path, more = {}) => ({ method: 'GET', path, ...more })
const del = (path, body, more = {}) => ({ method: 'DELETE', path, body, ...more })
const patch = (type, path, body, more = {}) => ({ method: 'PATCH', path, body, ...more, headers: { 'content-type': types[type], ...(more.headers ?? {}) } })
// The reference follows namespaces through an informer, a little later.
const setup = { setup: true, wait: 200 }
const one = (name, ...steps) => ({ name: `admission/${name}`, steps })
const made = (name, cleanup, ...steps) => ({ name: `admission/${name}`, steps, cleanup })

const security = (labels, more = setup) => patch('merge', core, { metadata: { labels: Object.fromEntries(Object.entries(labels).map(([k, v]) => [`pod-security.kubernetes.io/${k}`, v])) } }, more)
const c = (name, securityContext, more = {}) => ({ name, image: 'busybox', ...(securityContext === undefined ? {} : { securityContext }), ...more })
const pod = (name, spec, annotations) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...(annotations ? { annotations } : {}) }, spec: { schedulerName: 'none', ...spec } })
const brief = { pick: ['status', 'reason', 'message', 'details', 'code', 'kind', 'metadata.name'] }
const tryPod = (name, spec, annotations, more = brief) => post(`${core}/pods?dryRun=All`, pod(name, spec, annotations), more)
const good = { allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } }
const template = (spec) => ({ metadata: { labels: { app: 'x' } }, spec })
const workload = (apiVersion, kind, spec) => ({ apiVersion, kind, metadata: { name: 'w' }, spec })
const bare = { containers: [c('a')] }

const probe = (handler) => ({ ...handler, periodSeconds: 5 })
/** Each breaks one or more of the checks. */
const breaking = [
  ['privileged', { containers: [c('a', { privileged: true }), c('b', { privileged: true }), c('d')], initContainers: [c('i', { privileged: true })] }],
  ['hosts', { hostNetwork: true, hostPID: true, hostIPC: true, containers: [c('a')] }],
  ['hostpid', { hostPID: true, containers: [c('a', good)] }],
  ['hostpath', { volumes: [{ name: 'v', hostPath: { path: '/' } }, { name: 'w', hostPath: { path: '/x' } }, { name: 'e', emptyDir: {} }], containers: [c('a', good)] }],
  ['ports', { containers: [c('a', good, { ports: [{ containerPort: 80, hostPort: 80 }, { containerPort: 81, hostPort: 8081 }] }), c('b', good, { ports: [{ containerPort: 90, hostPort: 9000 }] })] }],
  ['caps', { containers: [c('a', { capabilities: { add: ['SYS_ADMIN', 'NET_RAW', 'CHOWN'] } }), c('b', { capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] } }), c('d', { capabilities: { add: ['SYS_TIME'] } })] }],
  ['selinux', { securityContext: { seLinuxOptions: { type: 'bad_t', user: 'u' } }, containers: [c('a', { seLinuxOptions: { type: 'container_engine_t', role: 'r' } }), c('b', { seLinuxOptions: { level: 's0' } })] }],
  ['selinux-role', { containers: [c('a', { ...good, seLinuxOptions: { role: 'r' } })] }],
  ['procmount', { containers: [c('a', { procMount: 'Default' })], hostUsers: false }],
  ['unmasked', { containers: [c('a', { procMount: 'Unmasked' })], hostUsers: false }],
  ['seccomp', { securityContext: { seccompProfile: { type: 'Unconfined' } }, containers: [c('a', { seccompProfile: { type: 'Unconfined' } }), c('b', { seccompProfile: { type: 'Localhost', localhostProfile: 'x' } })] }],
  ['sysctls', { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }, { name: 'net.ipv4.tcp_rmem', value: '1' }, { name: 'net.ipv4.tcp_keepalive_time', value: '1' }, { name: 'net.ipv4.tcp_syncookies', value: '1' }] }, containers: [c('a', good)] }],
  ['apparmor', { securityContext: { appArmorProfile: { type: 'Unconfined' } }, containers: [c('a', { appArmorProfile: { type: 'Unconfined' } }), c('b', { appArmorProfile: { type: 'RuntimeDefault' } })] }],
  ['apparmor-annotated', { containers: [c('a')] }, { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' }],
  ['windows', { os: { name: 'windows' }, hostNetwork: true, securityContext: { windowsOptions: { hostProcess: true } }, containers: [c('a', { windowsOptions: { hostProcess: true } })] }],
  ['windows-plain', { os: { name: 'windows' }, containers: [c('a')] }],
  ['probes', { containers: [c('a', good, { livenessProbe: probe({ httpGet: { host: '10.0.0.1', port: 80 } }), readinessProbe: probe({ tcpSocket: { host: 'b.com', port: 80 } }) }), c('b', good, { lifecycle: { preStop: { httpGet: { host: 'a.com', port: 1 } } } })] }],
  ['volumes', { volumes: [{ name: 'n', nfs: { server: 's', path: '/' } }, { name: 'h', hostPath: { path: '/' } }, { name: 'ok', secret: { secretName: 's' } }], containers: [c('a', good)] }],
  ['root', { securityContext: { runAsUser: 0, runAsNonRoot: false }, containers: [c('a', { ...good, runAsUser: 0 }), c('b', { ...good, runAsNonRoot: false })] }],
  ['root-own-users', { hostUsers: false, containers: [c('a', { runAsUser: 0 })] }],
  ['nonroot-by-pod', { securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }, containers: [c('a', { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } })] }],
  ['bare', { containers: [c('a'), c('b')], initContainers: [c('i')] }],
  ['good', { containers: [c('a', good)] }]
]
const each = (more) => breaking.map(([name, spec, annotations]) => tryPod(name, spec, annotations, more))

const deployment = (spec) => workload('apps/v1', 'Deployment', { replicas: 0, selector: { matchLabels: { app: 'x' } }, template: template(spec) })
const warned = { pick: ['kind', 'metadata.name', 'message'] }

const podSecurity = [
  one('pod-security/baseline', security({ enforce: 'baseline' }), ...each()),
  one('pod-security/restricted', security({ enforce: 'restricted' }), ...each()),
  ...['v1.0', 'v1.7', 'v1.19', 'v1.22', 'v1.24', 'v1.30', 'v1.34', 'v1.99'].map((version) => one(`pod-security/restricted-${version}`, security({ enforce: 'restricted', 'enforce-version': version }), ...each())),
  ...['v1.0', 'v1.18', 'v1.27', 'v1.31', 'v1.33'].map((version) => one(`pod-security/baseline-${version}`, security({ enforce: 'baseline', 'enforce-version': version }), ...each())),
  one('pod-security/warn', security({ warn: 'restricted' }), ...each(warned)),
  one('pod-security/warn-and-enforce', security({ enforce: 'baseline', warn: 'restricted', 'warn-version': 'v1.24' }), ...each(warned)),
  one('pod-security/privileged', security({ enforce: 'privileged', warn: 'privileged', audit: 'restricted' }), ...each(warned)),
  one('pod-security/generated', security({ enforce: 'baseline' }), post(`${core}/pods`, { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'gen-' }, spec: { ...bare, hostPID: true } }, { generated: 'gen-', ...brief })),
  one('pod-security/workloads', security({ enforce: 'restricted', 'enforce-version': 'v1.20' }),
    post(`${apps}/deployments`, deployment(bare), warned), post(`${apps}/replicasets`, { ...deployment(bare), kind: 'ReplicaSet' }, warned),
    post(`${apps}/statefulsets`, workload('apps/v1', 'StatefulSet', { replicas: 0, serviceName: 's', selector: { matchLabels: { app: 'x' } }, template: template({ ...bare, hostPID: true }) }), warned),
    post(`${apps}/daemonsets`, workload('apps/v1', 'DaemonSet', { selector: { matchLabels: { app: 'x' } }, template: template(bare) }), warned),
    post(`${batch}/jobs`, workload('batch/v1', 'Job', { suspend: true, template: { spec: { ...bare, restartPolicy: 'Never' } } }), warned),
    post(`${batch}/cronjobs`, workload('batch/v1', 'CronJob', { schedule: '* * * * *', suspend: true, jobTemplate: { spec: { template: { spec: { ...bare, restartPolicy: 'Never' } } } } }), warned),
    post(`${core}/replicationcontrollers`, workload('v1', 'ReplicationController', { replicas: 0, selector: { app: 'x' }, template: template(bare) }), warned),
    post(`${core}/podtemplates`, { apiVersion: 'v1', kind: 'PodTemplate', metadata: { name: 'w' }, template: template(bare) }, warned),
    patch('merge', `${apps}/deployments/w`, { metadata: { labels: { a: 'b' } } }, warned), patch('merge', `${apps}/deployments/w/scale`, { spec: { replicas: 0 } }, warned)),
  one('pod-security/updates', post(`${core}/pods`, pod('p', bare), setup), security({ enforce: 'restricted' }),
    patch('merge', `${core}/pods/p`, { metadata: { labels: { a: 'b' } } }, warned), patch('json', `${core}/pods/p`, [{ op: 'replace', path: '/spec/containers/0/image', value: 'other' }], brief),
    patch('merge', `${core}/pods/p/status`, { status: { phase: 'Running' } }, warned), del(`${core}/pods/p?gracePeriodSeconds=0`, undefined, warned)),
  one('pod-security/labels', security({ enforce: 'nope' }, brief), security({ enforce: 'baseline', 'enforce-version': '1.20' }, brief), security({ warn: 'x', 'warn-version': 'v2.0', audit: 'y', 'audit-version': 'latest ' }, brief), security({ enforce: 'baseline', 'enforce-version': 'v1.007' }, brief),
    post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: '{ns}-x', labels: { 'pod-security.kubernetes.io/enforce': 'Baseline' } } }, brief)),
  one('pod-security/relabel', post(`${core}/pods`, pod('one', bare), setup), post(`${core}/pods`, pod('two', bare), setup), post(`${core}/pods`, pod('three', { ...bare, hostPID: true }), setup), post(`${core}/pods`, pod('four', { ...bare, hostPID: true }), setup), post(`${core}/pods`, pod('five', { ...bare, hostPID: true, hostIPC: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] }), setup),
    security({ enforce: 'baseline' }, warned), security({ enforce: 'restricted' }, warned), security({ enforce: 'baseline' }, warned), security({ enforce: 'baseline', 'enforce-version': 'v1.20' }, warned), security({ warn: 'restricted' }, warned), security({ enforce: 'privileged' }, warned))
]

const storageClass = (name, more = {}) => ({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name }, provisioner: 'example.com/p', ...more })
const claim = (name, size, storageClassName) => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name }, spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage: size } } } })
const grow = (name, size) => patch('merge', `${core}/persistentvolumeclaims/${name}`, { spec: { resources: { requests: { storage: size } } } }, brief)
const bound = (name) => patch('merge', `${core}/persistentvolumeclaims/${name}/status`, { status: { phase: 'Bound', capacity: { storage: '1Gi' } } }, setup)
const bind = (name) => patch('merge', `${core}/persistentvolumeclaims/${name}`, { spec: { volumeName: 'v' } }, setup)
const ingresses = '/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses'
const ingress = (name, spec = {}, annotations) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, ...(annotations ? { annotations } : {}) }, spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } }, ...spec } })
const ingressClass = (name) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } }, spec: { controller: 'example.com/c' } })
const node = (name, labels) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } })
const zoned = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1', other: 'o' }

const plugins = [
  made('claim-resize', ['/apis/storage.k8s.io/v1/storageclasses/{ns}-grow', '/apis/storage.k8s.io/v1/storageclasses/{ns}-still'],
    post('/apis/storage.k8s.io/v1/storageclasses', storageClass('{ns}-grow', { allowVolumeExpansion: true }), setup), post('/apis/storage.k8s.io/v1/storageclasses', storageClass('{ns}-still'), setup),
    ...['grow', 'still', 'none'].flatMap((name) => [post(`${core}/persistentvolumeclaims`, claim(name, '1Gi', `{ns}-${name}`), setup), grow(name, '2Gi'), bind(name), bound(name), grow(name, '2Gi'), grow(name, '1024Mi')])),
  made('default-ingress-class', ['/apis/networking.k8s.io/v1/ingressclasses/{ns}-c'],
    post('/apis/networking.k8s.io/v1/ingressclasses', ingressClass('{ns}-c'), setup), post(ingresses, ingress('a'), { ...brief, pick: ['spec.ingressClassName'] }), post(ingresses, ingress('b', { ingressClassName: 'own' }), { pick: ['spec.ingressClassName'] }), post(ingresses, ingress('d', {}, { 'kubernetes.io/ingress.class': 'old' }), { pick: ['spec'] })),
  made('pod-topology-labels', ['/api/v1/nodes/{ns}-n'],
    post('/api/v1/nodes', node('{ns}-n', zoned), setup), post(`${core}/pods`, pod('here', { ...bare, nodeName: '{ns}-n' }), { pick: ['metadata.labels'] }), post(`${core}/pods`, pod('there', bare), setup),
    post(`${core}/pods/there/binding`, { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'there', labels: { mine: 'x', 'topology.kubernetes.io/zone': 'lie' } }, target: { kind: 'Node', name: '{ns}-n' } }), get(`${core}/pods/there`, { pick: ['metadata.labels', 'spec.nodeName'] }))
]

export const cases = [...podSecurity, ...plugins]
