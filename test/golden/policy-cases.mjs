// The exchanges that policy-recorded.json was made from: validating admission policies and match conditions.
const core = '/api/v1/namespaces/{ns}'
const apps = '/apis/apps/v1/namespaces/{ns}'
const registration = '/apis/admissionregistration.k8s.io/v1'
const types = { json: 'application/json-patch+json', merge: 'application/merge-patch+json' }

const post = (path, body, more = {}) => ({ method: 'POST', path, body, ...more })
const put = (path, body, more = {}) => ({ method: 'PUT', path, body, ...more })
const get = (path, more = {}) => ({ method: 'GET', path, ...more })
const del = (path, body, more = {}) => ({ method: 'DELETE', path, body, ...more })
const patch = (type, path, body, more = {}) => ({ method: 'PATCH', path, body, ...more, headers: { 'content-type': types[type], ...(more.headers ?? {}) } })
const setup = { setup: true }
// The reference follows policies through an informer, a little later.
const heard = { setup: true, wait: 1300 }
const P = `${registration}/validatingadmissionpolicies`
const B = `${registration}/validatingadmissionpolicybindings`
const V = `${registration}/validatingwebhookconfigurations`
const cleanup = [`${B}/{ns}-b`, `${B}/{ns}-b2`, `${P}/{ns}-p`, `${P}/{ns}-p2`, `${V}/{ns}-v`]
const one = (name, ...steps) => ({ name: `policy/${name}`, steps, cleanup })

const own = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': '{ns}' } } }
const rules = (resources = ['configmaps'], operations = ['CREATE', 'UPDATE'], more = {}) => ({ resourceRules: [{ apiGroups: ['*'], apiVersions: ['*'], operations, resources, ...more }], ...own })
const policy = (spec, name = '{ns}-p') => ({ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy', metadata: { name }, spec: { matchConstraints: rules(), ...spec } })
const binding = (spec = {}, name = '{ns}-b') => ({ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding', metadata: { name }, spec: { policyName: '{ns}-p', validationActions: ['Deny'], ...spec } })
const install = (spec, bindingSpec) => [post(P, policy(spec), setup), post(B, binding(bindingSpec), heard)]
const valid = (expression, more = {}) => ({ expression, ...more })
const cm = (name, data = { k: 'v' }, metadata = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data })
const create = (name = 'x', data, metadata, more = {}) => post(`${core}/configmaps?dryRun=All`, cm(name, data, metadata), { pick: ['kind', 'status', 'reason', 'message', 'details', 'code'], ...more })
const replace = (spec) => [put(`${P}/{ns}-p`, policy(spec), setup)]
const whole = { drop: ['managedFields', 'uid', 'creationTimestamp', 'resourceVersion'] }
/** Several policies one after the other in one case: the policy is patched. */
const changed = (spec) => patch('merge', `${P}/{ns}-p`, { spec }, heard)
const says = (expression) => ({ validations: [valid('false', { messageExpression: expression })] })

const messages = [
  ['false', {}], ['false', { message: 'own words' }], ['false', { message: ' spaced ', reason: 'Forbidden' }], ['false', { reason: 'RequestEntityTooLarge' }], ['false', { reason: 'Invalid', messageExpression: "'name is ' + object.metadata.name" }],
  ['false', { messageExpression: "'two\\nlines'", message: 'fallback' }], ['false', { messageExpression: "'  '", message: 'fallback' }], ['false', { messageExpression: 'object.data.nope', message: 'fallback' }], ['false', { messageExpression: 'object.data.nope' }],
  ['object.data.nope == 1', {}], ['object.data.k + 1 == 2', {}], ['1 / 0 == 1', {}], ['object.data.k == "v"', {}], ['has(object.data.nope) && object.data.nope == "x"', {}], ['object.data.k == "w" &&\n object.data.k != "x"', { message: 'lines' }], ['  object.data.k == "w"  ', {}]
]
const values = ['request.kind.kind + request.kind.group + request.kind.version', 'request.resource.resource', 'request.name', 'request.namespace == "{ns}" ? "same" : request.namespace', 'request.operation', 'request.userInfo.username', 'request.userInfo.groups.join(",")', 'string(request.dryRun)', 'string(has(request.subResource))', 'string(oldObject == null)', 'string(params == null)', 'namespaceObject.metadata.name == "{ns}" ? "same" : "other"', 'namespaceObject.metadata.labels.map(k, k).sort().join(",")', 'namespaceObject.status.phase', 'namespaceObject.spec.finalizers[0]', 'object.kind + object.apiVersion', 'string(object.metadata.creationTimestamp != null)', 'string(size(object.data))', 'variables.later + variables.name', 'string(variables.count)', 'object.data.map(k, k)[0]', "string(type(object.data))", 'string(request.options.kind)', 'string(request.userInfo.extra.size())', 'string(object.metadata.?labels.orValue({"a": "b"}))']
const variables = [{ name: 'name', expression: 'object.metadata.name' }, { name: 'later', expression: 'variables.name + "!"' }, { name: 'count', expression: 'size(object.data)' }, { name: 'broken', expression: 'object.data.nope' }]
const wrong = [
  { validations: [valid('object.')] }, { validations: [valid('nope == 1')] }, { validations: [valid('1 + 1')] }, { validations: [valid('object.x')] }, { validations: [valid('params.x == 1')] }, { validations: [valid('variables.x == 1')] },
  { validations: [valid('true', { messageExpression: '1' })] }, { validations: [valid('true', { messageExpression: 'authorizer.path("/x").check("get").allowed() ? "a" : "b"' })] }, { variables: [{ name: 'a', expression: 'variables.b' }, { name: 'b', expression: '1' }], validations: [valid('true')] }, { variables: [{ name: 'a', expression: '1' }], validations: [valid('variables.a == "x"')] },
  { matchConditions: [{ name: 'c', expression: '1 +' }], validations: [valid('true')] }, { matchConditions: [{ name: 'c', expression: '"x"' }], validations: [valid('true')] }, { auditAnnotations: [{ key: 'k', valueExpression: '1' }] }, { auditAnnotations: [{ key: 'k', valueExpression: 'nope' }] }, { validations: [valid('request.nope == ""')] }, { validations: [valid('namespaceObject.metadata.nope == ""')] }, { validations: [valid('authorizer.group("").resource("pods").check("get").allowed() == 1')] }
]
const hook = (conditions, more = {}) => ({ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', metadata: { name: '{ns}-v' }, webhooks: [{ name: 'v.example.com', clientConfig: { url: `{hook}/say/${Buffer.from(JSON.stringify({ allowed: false, status: { message: 'asked' } })).toString('base64url')}`, caBundle: '{hookCa}' }, admissionReviewVersions: ['v1'], sideEffects: 'None', rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['configmaps'] }], ...own, matchConditions: conditions.map((expression, i) => ({ name: `c${i}`, expression })), ...more }] })

export const cases = [
  one('messages', ...install({ validations: [valid('true')] }), ...messages.flatMap(([expression, more]) => [changed({ validations: [valid(expression, more)] }), create()])),
  one('values', ...install({ variables, validations: [valid('true')] }), ...values.flatMap((expression) => [changed(says(expression)), create('x', { k: 'v' })])),
  one('wrong', ...wrong.map((spec) => post(P, policy(spec), { drop: ['managedFields'] }))),
  one('several', ...install({ validations: [valid('object.metadata.name != "x"', { message: 'no x' }), valid('object.data.k != "v"', { message: 'no v', reason: 'Forbidden' })] }), create(), create('y'), create('z', { k: 'w' })),
  one('actions/warn', ...install({ validations: [valid('false', { message: 'beware' })] }, { validationActions: ['Warn', 'Audit'] }), create()),
  one('actions/both', ...install({ validations: [valid('false', { message: 'beware' })] }, { validationActions: ['Audit', 'Deny'] }), create()),
  one('actions/audit', ...install({ validations: [valid('false', { message: 'beware' })] }, { validationActions: ['Audit'] }), create()),
  one('failure/ignore', ...install({ failurePolicy: 'Ignore', validations: [valid('object.data.nope == 1'), valid('object.data.k != "v"', { message: 'still' })] }), create(), create('y', { k: 'w' })),
  one('variables/broken', ...install({ variables, validations: [valid('variables.broken == "x"')] }), create()),
  one('unbound', post(P, policy({ validations: [valid('false')] }), heard), create()),
  one('old-object', post(`${core}/configmaps`, cm('x'), setup), ...install({ validations: [valid('oldObject == null || object.data.k == oldObject.data.k', { messageExpression: "'was ' + oldObject.data.k" })] }), patch('merge', `${core}/configmaps/x`, { data: { k: 'w' } }), patch('merge', `${core}/configmaps/x`, { metadata: { labels: { a: 'b' } } }, { only: 'status' })),
  one('delete', post(`${core}/configmaps`, cm('x'), setup), ...install({ matchConstraints: rules(['configmaps'], ['DELETE']), validations: [valid('object != null', { messageExpression: "'kept ' + oldObject.metadata.name + string(object == null)" })] }), del(`${core}/configmaps/x`), create('y')),
  one('conditions', ...install({ matchConditions: [{ name: 'a', expression: 'object.metadata.name.startsWith("a")' }, { name: 'b', expression: 'request.userInfo.username == "admin"' }], validations: [valid('false')] }), create('a1'), create('b1')),
  one('conditions/errors', ...install({ matchConditions: [{ name: 'a', expression: 'object.data.nope == "x"' }], validations: [valid('false')] }), create(), changed({ matchConditions: [{ name: 'a', expression: 'object.data.nope == "x"' }, { name: 'b', expression: 'object.data.other == "x"' }] }), create(), changed({ matchConditions: [{ name: 'a', expression: 'object.data.nope == "x"' }, { name: 'b', expression: 'false' }] }), create(), changed({ failurePolicy: 'Ignore', matchConditions: [{ name: 'a', expression: 'object.data.nope == "x"' }] }), create()),
  one('binding-match', ...install({ validations: [valid('false')] }, { matchResources: { objectSelector: { matchLabels: { guard: 'on' } } } }), create(), create('y', { k: 'v' }, { labels: { guard: 'on' } })),
  one('resource-names', ...install({ matchConstraints: rules(['configmaps'], ['CREATE'], { resourceNames: ['x', 'z'] }), validations: [valid('false')] }), create('x'), create('y'), create('z')),
  one('excluded', ...install({ matchConstraints: { ...rules(['*']), excludeResourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'], resourceNames: ['free'] }] }, validations: [valid('false')] }), create('free'), create('held')),
  one('params/config-map', post(`${core}/configmaps`, cm('limits', { most: '2' }, { labels: { role: 'limit' } }), setup), ...install({ paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [valid('size(object.data) <= int(params.data.most)', { messageExpression: "'at most ' + params.data.most + ' by ' + params.metadata.name + params.kind + params.apiVersion" })] }, { paramRef: { name: 'limits', namespace: '{ns}', parameterNotFoundAction: 'Deny' } }), create('x', { a: '1', b: '2', c: '3' }), create('y', { a: '1' }), del(`${core}/configmaps/limits`, undefined, heard), create('y', { a: '1' })),
  one('params/selector', post(`${core}/configmaps`, cm('limits', { most: '2' }, { labels: { role: 'limit' } }), setup), ...install({ paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [valid('size(object.data) <= int(params.data.most)')] }, { paramRef: { selector: { matchLabels: { role: 'limit' } }, parameterNotFoundAction: 'Allow' } }), create('x', { a: '1', b: '2', c: '3' }), create('y', { a: '1' })),
  one('params/allowed-missing', ...install({ paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [valid('false')] }, { paramRef: { name: 'none', namespace: '{ns}', parameterNotFoundAction: 'Allow' } }), create()),
  one('params/no-ref', ...install({ paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [valid('params != null', { message: 'no params' })] }), create()),
  one('params/unknown-kind', ...install({ paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' }, validations: [valid('false')] }, { paramRef: { name: 'x', parameterNotFoundAction: 'Deny' } }), create()),
  one('authorizer', ...install({ validations: [valid('authorizer.group("").resource("secrets").namespace("{ns}").check("get").allowed()', { message: 'may not read secrets' }), valid('authorizer.path("/metrics").check("get").allowed()', { message: 'may not read metrics' }), valid('authorizer.requestResource.check("create").allowed()', { message: 'may not create' }), valid('!authorizer.serviceAccount("{ns}", "default").group("").resource("pods").check("list").allowed()', { message: 'account may list' }), valid('authorizer.group("apps").resource("deployments").subresource("scale").name("x").check("update").reason() == ""', { messageExpression: '"reason"' }), valid('!authorizer.requestResource.check("x").errored()')] }), create()),
  one('annotations', ...install({ auditAnnotations: [{ key: 'k', valueExpression: 'object.metadata.name' }, { key: 'n', valueExpression: 'object.metadata.name == "x" ? null : "y"' }] }), create('y')),
  one('annotations/errors', ...install({ auditAnnotations: [{ key: 'k', valueExpression: 'object.data.nope' }] }, { validationActions: ['Audit'] }), create('y')),
  one('budget', ...install({ validations: [valid('lists.range(100000).all(x, lists.range(1000).all(y, y >= 0))')] }), create()),
  one('scale', post(`${apps}/deployments`, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec: { replicas: 0, selector: { matchLabels: { a: 'd' } }, template: { metadata: { labels: { a: 'd' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } }, setup), ...install({ matchConstraints: rules(['deployments/scale'], ['UPDATE']), validations: [valid('object.spec.replicas <= 2', { messageExpression: "object.kind + ' ' + string(object.spec.replicas) + request.subResource + request.kind.kind" })] }), patch('merge', `${apps}/deployments/d/scale`, { spec: { replicas: 3 } }), patch('merge', `${apps}/deployments/d/scale`, { spec: { replicas: 0 } }, { only: 'status' })),
  one('two-policies', post(P, policy({ validations: [valid('false', { message: 'first' })] }), setup), post(B, binding({ validationActions: ['Warn'] }), setup), post(P, policy({ validations: [valid('false', { message: 'second' })] }, '{ns}-p2'), setup), post(B, binding({ policyName: '{ns}-p2' }, '{ns}-b2'), heard), create()),
  one('webhook-conditions', post(V, hook(['object.metadata.name == "x"', 'request.operation == "CREATE"', '!("system:nodes" in request.userInfo.groups)']), heard), create('x'), create('y')),
  one('webhook-conditions/errors', post(V, hook(['object.data.nope == "x"']), heard), create('x'), del(`${V}/{ns}-v`, undefined, setup), post(V, hook(['object.data.nope == "x"'], { failurePolicy: 'Ignore' }), heard), create('x')),
  one('webhook-conditions/wrong', ...[['object.'], ['1'], ['nope'], ['authorizer.group("").resource("x").check("y").allowed()', 'params == null'], ['variables.x == 1']].map((list) => post(V, hook(list), { drop: ['managedFields'] })), del(`${V}/{ns}-v`, undefined, setup)),
  one('webhook-conditions/authorizer', post(V, hook(['authorizer.group("").resource("secrets").namespace("{ns}").check("get").allowed()']), heard), create('x'))
]
