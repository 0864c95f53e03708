// The exchanges that webhook-recorded.json was made from: admission webhooks. hook-server.mjs answers them.
const core = '/api/v1/namespaces/{ns}'
const apps = '/apis/apps/v1/namespaces/{ns}'
const scaling = '/apis/autoscaling'
const registration = '/apis/admissionregistration.k8s.io/v1'
const types = { json: 'application/json-patch+json', merge: 'application/merge-patch+json', smp: 'application/strategic-merge-patch+json', apply: 'application/apply-patch+yaml' }

const post = (path, body, more = {}) => ({ method: 'POST', path, body, ...more })
const put = (path, body, more = {}) => ({ method: 'PUT', path, body, ...more })
const get = (path, more = {}) => ({ method: 'GET', path, ...more })
const del = (path, body, more = {}) => ({ method: 'DELETE', path, body, ...more })
const patch = (type, path, body, more = {}) => ({ method: 'PATCH', path, body, ...more, headers: { 'content-type': types[type], ...(more.headers ?? {}) } })
const setup = { setup: true }
// The reference follows configurations through an informer, a little later.
const heard = { setup: true, wait: 600 }

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const say = (response) => `/say/${b64(response)}`
const raw = (value) => `/raw/${b64(value)}`
const rule = (operations, resources, more = {}) => ({ apiGroups: ['*'], apiVersions: ['*'], operations, resources, ...more })
const own = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': '{ns}' } } }
const hook = (name, path, more = {}) => ({ name: `${name}.example.com`, clientConfig: { url: `{hook}${path}`, caBundle: '{hookCa}' }, admissionReviewVersions: ['v1'], sideEffects: 'None', rules: [rule(['CREATE'], ['configmaps'])], ...own, ...more })
const configuration = (kind) => (name, ...webhooks) => ({ apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name }, webhooks })
const validating = configuration('ValidatingWebhookConfiguration')
const mutating = configuration('MutatingWebhookConfiguration')
const V = `${registration}/validatingwebhookconfigurations`
const M = `${registration}/mutatingwebhookconfigurations`
const cleanup = ['a', 'b', 'c'].flatMap((n) => [`${V}/{ns}-${n}`, `${M}/{ns}-${n}`])
const one = (name, ...steps) => ({ name: `webhook/${name}`, steps, cleanup })
const cm = (name, data = { k: 'v' }, metadata = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data })
const create = (name = 'x', more = {}, metadata = {}) => post(`${core}/configmaps`, cm(name, { k: 'v' }, metadata), more)
const install = (...hooks) => post(V, validating('{ns}-a', ...hooks), heard)
const installMutating = (...hooks) => post(M, mutating('{ns}-a', ...hooks), heard)
const podOf = (name, more = {}) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { schedulerName: 'none', containers: [{ name: 'c', image: 'i' }], ...more } })
const deployment = (name) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: { replicas: 0, selector: { matchLabels: { a: name } }, template: { metadata: { labels: { a: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } })
const hpa = (version) => ({ apiVersion: `autoscaling/${version}`, kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { maxReplicas: 2, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } })
const echoAll = (...resources) => hook('echo', '/echo', { rules: [rule(['*'], resources, { scope: '*' })] })
const stored = { drop: ['managedFields', 'uid', 'creationTimestamp', 'resourceVersion'] }

const answers = [
  ['allowed', say({ allowed: true })],
  ['denied', say({ allowed: false })],
  ['with a message', say({ allowed: false, status: { message: 'no way' } })],
  ['with a reason', say({ allowed: false, status: { reason: 'Because' } })],
  ['with a code', say({ allowed: false, status: { code: 418, message: 'tea' } })],
  ['with a low code', say({ allowed: false, status: { code: 200, status: 'Success', message: 'fine' } })],
  ['with all', say({ allowed: false, status: { code: 422, reason: 'Invalid', message: 'm', details: { name: 'n', causes: [{ field: 'f', message: 'c', reason: 'FieldValueInvalid' }] } } })],
  ['with warnings', say({ allowed: true, warnings: ['one', 'two "quoted"', 'one'] })],
  ['denied with warnings', say({ allowed: false, warnings: ['first'] })],
  ['annotations', say({ allowed: true, auditAnnotations: { k: 'v' } })],
  ['a patch', say({ allowed: true, patchType: 'JSONPatch', patch: [] })],
  ['wrong uid', raw({ body: JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: 'other', allowed: true } }) })],
  ['no response', raw({ body: JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }) })],
  ['beta answer', raw({ body: JSON.stringify({ apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview', response: { uid: '{uid}', allowed: true } }) })],
  ['other kind', raw({ body: JSON.stringify({ apiVersion: 'v1', kind: 'Pod' }) })],
  ['no kind', raw({ body: JSON.stringify({ response: { uid: '{uid}', allowed: true } }) })],
  ['a status', raw({ body: JSON.stringify({ apiVersion: 'v1', kind: 'Status', status: 'Failure', message: 'own words', reason: 'Forbidden', code: 403 }) })],
  ['no json', raw({ body: 'hello' })],
  ['empty', raw({ body: '' })],
  ['500', raw({ status: 500, type: 'text/plain', body: 'broken' })],
  ['404', raw({ status: 404, type: 'text/plain', body: '404 page not found\n' })],
  ['403', raw({ status: 403, body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'go away', reason: 'Forbidden', code: 403 }) })],
  ['302', raw({ status: 302, type: 'text/plain', body: '' })],
  ['wrong type', raw({ body: JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: '{uid}', allowed: 'yes' } }) })]
]

const patches = [
  ['adds', [{ op: 'add', path: '/data/added', value: 'yes' }, { op: 'add', path: '/metadata/labels', value: { l: 'v' } }]],
  ['removes', [{ op: 'remove', path: '/data/k' }]],
  ['replaces all', [{ op: 'replace', path: '/data', value: { only: 'this' } }]],
  ['missing', [{ op: 'remove', path: '/data/none' }]],
  ['missing parent', [{ op: 'add', path: '/spec/none/x', value: 1 }]],
  ['replace missing', [{ op: 'replace', path: '/data/none', value: 'x' }]],
  ['test fails', [{ op: 'test', path: '/data/k', value: 'w' }]],
  ['unknown operation', [{ op: 'bake', path: '/data/k', value: 'w' }]],
  ['wrong type', [{ op: 'add', path: '/data/n', value: 5 }]],
  ['unknown field', [{ op: 'add', path: '/nope', value: 5 }]],
  ['invalid object', [{ op: 'add', path: '/data/a b', value: 'x' }]],
  ['renames', [{ op: 'replace', path: '/metadata/name', value: 'other' }]],
  ['moves', [{ op: 'replace', path: '/metadata/namespace', value: 'default' }]],
  ['null', [{ op: 'add', path: '/data', value: null }]],
  ['uid', [{ op: 'add', path: '/metadata/uid', value: 'x' }]],
  ['no list', { op: 'add', path: '/data/x', value: 'y' }]
]

export const cases = [
  one('answers/validating', ...answers.flatMap(([name, path]) => [install(hook('v', path)), { ...create('x'), ...stored }, del(`${core}/configmaps/x`, undefined, setup), del(`${V}/{ns}-a`, undefined, setup)])),
  one('answers/mutating', ...answers.flatMap(([name, path]) => [installMutating(hook('m', path)), { ...create('x'), ...stored }, del(`${core}/configmaps/x`, undefined, setup), del(`${M}/{ns}-a`, undefined, setup)])),
  one('answers/ignored', ...answers.flatMap(([name, path]) => [install(hook('v', path, { failurePolicy: 'Ignore' })), { ...create('x'), ...stored }, del(`${core}/configmaps/x`, undefined, setup), del(`${V}/{ns}-a`, undefined, setup)])),
  one('patches', ...patches.flatMap(([name, list]) => [installMutating(hook('m', say({ allowed: true, patchType: 'JSONPatch', patch: list }))), { ...create('x'), ...stored }, del(`${core}/configmaps/x`, undefined, setup), del(`${M}/{ns}-a`, undefined, setup)])),
  one('patch-types', ...[{ patchType: 'Merge', patch: [{ op: 'add', path: '/data/x', value: 'y' }] }, { patch: [{ op: 'add', path: '/data/x', value: 'y' }] }, { patchType: 'JSONPatch' }, { patchType: '', patch: [{ op: 'add', path: '/data/x', value: 'y' }] }].flatMap((more) => [installMutating(hook('m', say({ allowed: true, ...more }))), create('x', stored), del(`${core}/configmaps/x`, undefined, setup), del(`${M}/{ns}-a`, undefined, setup)])),
  one('patch-defaults', installMutating(hook('m', say({ allowed: true, patchType: 'JSONPatch', patch: [{ op: 'add', path: '/spec/containers/-', value: { name: 'side', image: 'x' } }] }), { rules: [rule(['CREATE'], ['pods'])] })), post(`${core}/pods`, podOf('p'), stored)),
  one('patch-of-delete', installMutating(hook('m', say({ allowed: true, patchType: 'JSONPatch', patch: [{ op: 'add', path: '/data/x', value: 'y' }] }), { rules: [rule(['DELETE'], ['configmaps'])] })), create('x', setup), del(`${core}/configmaps/x`)),
  one('request/create', install(echoAll('configmaps')), create('x', {}, { labels: { a: 'b' } }), post(`${core}/configmaps?fieldManager=me&fieldValidation=Strict&dryRun=All`, cm('x')), post(`${core}/configmaps`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'gen-' } }, { generated: 'gen-' })),
  one('request/users', install(echoAll('configmaps')), post('/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'b' }, subjects: [{ kind: 'Group', name: 'devs', apiGroup: 'rbac.authorization.k8s.io' }], roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' } }, heard), create('x', { headers: { 'impersonate-user': 'jane', 'impersonate-group': 'devs', 'impersonate-uid': '7', 'impersonate-extra-scopes': 'view' } })),
  one('request/update', create('x', setup), install(echoAll('configmaps')), put(`${core}/configmaps/x`, cm('x', { k: 'w' })), patch('merge', `${core}/configmaps/x?fieldManager=me`, { data: { k: 'w' } }), patch('json', `${core}/configmaps/x`, [{ op: 'add', path: '/data/z', value: 'z' }]), patch('apply', `${core}/configmaps/x?fieldManager=me&force=true`, cm('x', { k: 'u' })), patch('apply', `${core}/configmaps/new?fieldManager=me`, cm('new'))),
  one('request/delete', create('x', setup), install(echoAll('configmaps')), del(`${core}/configmaps/x`), del(`${core}/configmaps/x`, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Foreground', gracePeriodSeconds: 5, preconditions: { resourceVersion: '1' } }, { pick: ['code', 'reason'] }), del(`${core}/configmaps/x?dryRun=All`), del(`${core}/configmaps/x`, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Foreground', gracePeriodSeconds: 5 }), del(`${core}/configmaps?labelSelector=a=b`), del(`${core}/configmaps`)),
  one('request/pods', install(echoAll('pods', 'pods/*')), post(`${core}/pods`, podOf('p', { automountServiceAccountToken: false }))),
  one('request/subresources', post(`${core}/pods`, podOf('p', { automountServiceAccountToken: false }), setup), post(`${apps}/deployments`, deployment('d'), setup), install(echoAll('pods/*', 'deployments/*', 'serviceaccounts/*')),
    patch('merge', `${core}/pods/p/status`, { status: { phase: 'Running' } }), post(`${core}/pods/p/binding`, { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } }), post(`${core}/pods/p/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' }, deleteOptions: { gracePeriodSeconds: 3 } }),
    patch('merge', `${apps}/deployments/d/scale`, { spec: { replicas: 3 } }), put(`${apps}/deployments/d/scale`, { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'd', namespace: '{ns}' }, spec: { replicas: 2 } }), patch('merge', `${apps}/deployments/d/status`, { status: { replicas: 0 } }), post(`${core}/serviceaccounts/default/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['a'] } })),
  one('request/namespaces', install(hook('echo', '/echo', { rules: [rule(['*'], ['namespaces', 'namespaces/*'])], namespaceSelector: { matchLabels: { mine: '{ns}' } } })), post('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: '{ns}-n', labels: { mine: '{ns}' } } }), patch('merge', core, { metadata: { labels: { mine: '{ns}' } } }), patch('merge', core, { metadata: { labels: { other: '{ns}' } } }, { only: 'status' })),
  one('request/cluster', install({ ...hook('echo', '/echo', { rules: [rule(['*'], ['priorityclasses'])] }), objectSelector: { matchLabels: { mine: '{ns}' } } }), post('/apis/scheduling.k8s.io/v1/priorityclasses', { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: '{ns}-p', labels: { mine: '{ns}' } }, value: 5 })),
  one('request/beta', install(hook('echo', '/echo', { admissionReviewVersions: ['v2', 'v1beta1', 'v1'] })), create('x')),
  one('request/events', install(echoAll('events')), post(`${core}/events`, { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' }, involvedObject: { kind: 'Pod', name: 'p', namespace: '{ns}' }, reason: 'r', message: 'm', type: 'Normal' })),
  one('equivalent', install(hook('v2', '/echo', { rules: [rule(['*'], ['horizontalpodautoscalers'], { apiGroups: ['autoscaling'], apiVersions: ['v2'] })] })), post(`${scaling}/v1/namespaces/{ns}/horizontalpodautoscalers`, hpa('v1')), post(`${scaling}/v2/namespaces/{ns}/horizontalpodautoscalers`, hpa('v2'))),
  one('equivalent-mutating', installMutating(hook('v1', say({ allowed: true, patchType: 'JSONPatch', patch: [{ op: 'add', path: '/spec/targetCPUUtilizationPercentage', value: 33 }] }), { rules: [rule(['*'], ['horizontalpodautoscalers'], { apiGroups: ['autoscaling'], apiVersions: ['v1'] })] })), post(`${scaling}/v2/namespaces/{ns}/horizontalpodautoscalers`, hpa('v2'), stored)),
  one('exact', install(hook('v2', '/echo', { matchPolicy: 'Exact', rules: [rule(['*'], ['horizontalpodautoscalers'], { apiGroups: ['autoscaling'], apiVersions: ['v2'] })] })), post(`${scaling}/v1/namespaces/{ns}/horizontalpodautoscalers`, hpa('v1'), { only: 'status' })),
  ...[['rules', [rule(['UPDATE'], ['configmaps'])]], ['groups', [rule(['*'], ['configmaps'], { apiGroups: ['apps'] })]], ['versions', [rule(['*'], ['configmaps'], { apiVersions: ['v2'] })]], ['cluster scope', [rule(['*'], ['*'], { scope: 'Cluster' })]], ['namespaced scope', [rule(['*'], ['*'], { scope: 'Namespaced' })]], ['subresources only', [rule(['*'], ['*/*'])]], ['all of it', [rule(['*'], ['configmaps/*'])]], ['second rule', [rule(['DELETE'], ['pods']), rule(['CREATE'], ['configmaps'])]]].map(([name, rules]) => one(`match/${name}`, install(hook('v', say({ allowed: false }), { rules })), create('x', { only: 'status' }), patch('merge', core, { metadata: { labels: { x: 'y' } } }, { only: 'status' }))),
  one('match/object-selector', install(hook('v', say({ allowed: false }), { rules: [rule(['*'], ['configmaps'])], objectSelector: { matchExpressions: [{ key: 'guard', operator: 'Exists' }] } })), create('free', { only: 'status' }), create('held', { only: 'status' }, { labels: { guard: 'on' } }), patch('merge', `${core}/configmaps/free`, { metadata: { labels: { guard: 'on' } } }, { only: 'status' }), del(`${core}/configmaps/free`, undefined, { only: 'status' })),
  one('match/namespace-selector', install(hook('v', say({ allowed: false }), { namespaceSelector: { matchLabels: { guard: '{ns}' } } })), create('x', { only: 'status' }), patch('merge', core, { metadata: { labels: { guard: '{ns}' } } }, heard), create('y', { only: 'status' })),
  one('own-configuration', install(hook('v', say({ allowed: false }), { rules: [rule(['*'], ['*'], { apiGroups: ['admissionregistration.k8s.io'] })], namespaceSelector: {} })), post(V, validating('{ns}-b'), { only: 'status' }), del(`${V}/{ns}-a`, undefined, { only: 'status' })),
  one('order', post(M, mutating('{ns}-b', hook('b1', '/count/b1'), hook('b0', '/count/b0')), setup), post(M, mutating('{ns}-a', hook('z', '/count/a')), setup), post(M, mutating('{ns}-c', hook('c', '/count/c')), heard), create('x', stored), get(`${core}/configmaps/x`, stored)),
  one('reinvocation', post(M, mutating('{ns}-a', hook('a', '/count/a', { reinvocationPolicy: 'IfNeeded' }), hook('b', '/count/b'), hook('c', '/count/c', { reinvocationPolicy: 'IfNeeded' })), heard), create('x', stored)),
  one('reinvocation-unneeded', post(M, mutating('{ns}-a', hook('a', '/count/a', { reinvocationPolicy: 'IfNeeded' }), hook('b', say({ allowed: true }))), heard), create('x', stored)),
  one('dry-run', install(hook('v', say({ allowed: false, status: { message: 'asked' } }), { sideEffects: 'NoneOnDryRun' })), post(`${core}/configmaps?dryRun=All`, cm('x')), post(M, mutating('{ns}-a', hook('m', say({ allowed: true, patchType: 'JSONPatch', patch: [{ op: 'add', path: '/data/x', value: 'y' }] }))), heard), del(`${V}/{ns}-a`, undefined, heard), post(`${core}/configmaps?dryRun=All`, cm('x'), stored), get(`${core}/configmaps/x`, { only: 'status' })),
  one('unreachable/refused', install({ ...hook('v', '/'), clientConfig: { url: 'https://127.0.0.1:1/x', caBundle: '{hookCa}' } }), create('x')),
  one('unreachable/authority', install({ ...hook('v', '/'), clientConfig: { url: '{hook}/echo', caBundle: '{otherCa}' } }), create('x')),
  one('unreachable/no-bundle', install({ ...hook('v', '/'), clientConfig: { url: '{hook}/echo' } }), create('x')),
  one('unreachable/name', install({ ...hook('v', '/'), clientConfig: { url: 'https://localhost:{hookPort}/echo', caBundle: '{hookCa}' } }), create('x')),
  one('unreachable/slow', install(hook('v', '/slow', { timeoutSeconds: 1 })), create('x')),
  one('unreachable/slow-mutating', installMutating(hook('v', '/slow', { timeoutSeconds: 1 })), create('x')),
  one('unreachable/slow-ignored', install(hook('v', '/slow', { timeoutSeconds: 1, failurePolicy: 'Ignore' })), create('x', stored)),
  one('service/none', install({ ...hook('v', '/'), clientConfig: { service: { namespace: '{ns}', name: 'hook', path: '/echo' }, caBundle: '{hookCa}' } }), create('x')),
  one('service/headless', post(`${core}/services`, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hook' }, spec: { clusterIP: 'None', selector: { a: 'b' } } }, setup), install({ ...hook('v', '/'), clientConfig: { service: { namespace: '{ns}', name: 'hook' }, caBundle: '{hookCa}' } }), create('x')),
  one('service/port', post(`${core}/services`, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hook' }, spec: { ports: [{ port: 80 }], selector: { a: 'b' } } }, setup), install({ ...hook('v', '/'), clientConfig: { service: { namespace: '{ns}', name: 'hook' }, caBundle: '{hookCa}' } }), create('x')),
  one('service/external', post(`${core}/services`, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hook' }, spec: { type: 'ExternalName', externalName: '127.0.0.1' } }, setup), install({ ...hook('v', '/'), clientConfig: { service: { namespace: '{ns}', name: 'hook', port: 8443 }, caBundle: '{hookCa}' } }), create('x')),
  one('several/denials', install(hook('a', say({ allowed: true, warnings: ['from a'] })), hook('b', say({ allowed: false, status: { message: 'b says no' } }))), create('x')),
  one('generated-name', installMutating(hook('m', say({ allowed: true, patchType: 'JSONPatch', patch: [{ op: 'add', path: '/data/x', value: 'y' }] }))), post(`${core}/configmaps`, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'gen-' }, data: {} }, { generated: 'gen-', ...stored }))
]
