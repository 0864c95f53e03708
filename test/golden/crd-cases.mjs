// The exchanges that crd-recorded.json was made from: bad and good CustomResourceDefinitions, and their objects.
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const contentTypes = { json: 'application/json-patch+json', merge: 'application/merge-patch+json', smp: 'application/strategic-merge-patch+json', apply: 'application/apply-patch+yaml' }

const post = (path, body, more = {}) => ({ method: 'POST', path, body, ...more })
const put = (path, body, more = {}) => ({ method: 'PUT', path, body, ...more })
const get = (path, more = {}) => ({ method: 'GET', path, ...more })
const del = (path, body, more = {}) => ({ method: 'DELETE', path, body, ...more })
const patch = (type, path, body, more = {}) => ({ method: 'PATCH', path, body, ...more, headers: { 'content-type': contentTypes[type], ...(more.headers ?? {}) } })
/** Not compared, and waited after: the definition is established a moment after it was made. */
const setup = { setup: true, wait: 2500 }

const GROUP = 'crd.example.com'
const names = (plural, more = {}) => ({ plural, kind: plural.charAt(0).toUpperCase() + plural.slice(1, -1), ...more })
const version = (schema, more = {}) => ({ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more })
const object = (properties = {}, more = {}) => ({ type: 'object', properties, ...more })
const spec = (properties, more = {}) => object({ spec: object(properties, more) })
const definition = (plural, schema, { version: of = {}, ...more } = {}) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${GROUP}` },
  spec: { group: GROUP, scope: 'Namespaced', names: names(plural), versions: [version(schema, of)], ...more }
})
const made = (name, cleanup, ...steps) => ({ name, steps, cleanup })
const one = (name, ...steps) => ({ name, steps })

/** A definition that is refused. */
const bad = (name, schema, more) => made(`crd/bad/${name}`, [`${crds}/wrongs.${GROUP}`], post(crds, definition('wrongs', schema, more)))
const rule = (text, more = {}) => ({ rule: text, ...more })
const rules = (...all) => ({ 'x-kubernetes-validations': all.map((each) => (typeof each === 'string' ? rule(each) : each)) })
const ANY = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

const badDefinitions = [
  bad('no-schema-type', {}),
  bad('root-not-object', { type: 'array', items: { type: 'string' } }),
  bad('root-nullable', { type: 'object', nullable: true }),
  bad('root-additional', { type: 'object', additionalProperties: { type: 'string' } }),
  bad('unknown-type', spec({ a: { type: 'text' } })),
  bad('null-type', spec({ a: { type: 'null' } })),
  bad('field-without-type', spec({ a: { maxLength: 3 } })),
  bad('array-without-items', spec({ a: { type: 'array' } })),
  bad('items-without-type', spec({ a: { type: 'array', items: {} } })),
  bad('unique-items', spec({ a: { type: 'array', uniqueItems: true, items: { type: 'string' } } })),
  bad('properties-and-additional', spec({ a: object({ b: { type: 'string' } }, { additionalProperties: { type: 'string' } }) })),
  bad('additional-false', spec({ a: { type: 'object', properties: { b: { type: 'string' } }, additionalProperties: false } })),
  bad('type-in-anyof', spec({ a: { type: 'string', anyOf: [{ type: 'string' }] } })),
  bad('default-in-allof', spec({ a: { type: 'string', allOf: [{ default: 'x' }] } })),
  bad('description-in-not', spec({ a: { type: 'string', not: { description: 'x' } } })),
  bad('incomplete-anyof', spec({ a: object({}, { anyOf: [{ properties: { b: { minLength: 1 } } }] }) })),
  bad('incomplete-items', spec({ a: object({ b: { type: 'string' } }, { oneOf: [{ items: { minLength: 1 } }] }) })),
  bad('bad-pattern', spec({ a: { type: 'string', pattern: '(' } })),
  bad('bad-pattern-2', spec({ a: { type: 'string', pattern: '[a' } })),
  bad('preserve-false', spec({ a: { type: 'object', 'x-kubernetes-preserve-unknown-fields': false } })),
  bad('int-or-string-preserve', spec({ a: { 'x-kubernetes-int-or-string': true, 'x-kubernetes-preserve-unknown-fields': true } })),
  bad('embedded-without-type', spec({ a: { 'x-kubernetes-embedded-resource': true } })),
  bad('embedded-empty', spec({ a: { type: 'object', 'x-kubernetes-embedded-resource': true } })),
  bad('metadata-restricted', object({ metadata: object({ labels: { type: 'object', additionalProperties: { type: 'string' } } }) })),
  bad('metadata-name-pattern', object({ metadata: object({ name: { type: 'string', maxLength: 5 } }) })),
  bad('kind-not-string', object({ kind: { type: 'integer' } })),
  bad('list-type-unknown', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'bag', items: { type: 'string' } } })),
  bad('list-type-on-object', spec({ a: { type: 'object', 'x-kubernetes-list-type': 'set' } })),
  bad('map-type-on-string', spec({ a: { type: 'string', 'x-kubernetes-map-type': 'atomic' } })),
  bad('map-type-unknown', spec({ a: { type: 'object', 'x-kubernetes-map-type': 'deep' } })),
  bad('set-of-objects', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'set', items: object({ b: { type: 'string' } }) } })),
  bad('map-without-keys', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', items: object({ b: { type: 'string' } }) } })),
  bad('map-keys-without-map', spec({ a: { type: 'array', 'x-kubernetes-list-map-keys': ['b'], items: object({ b: { type: 'string' } }) } })),
  bad('map-key-missing', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['c'], items: object({ b: { type: 'string' } }) } })),
  bad('map-key-not-required', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['b'], items: object({ b: { type: 'string' } }) } })),
  bad('map-key-object', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['b'], items: object({ b: { type: 'object' } }, { required: ['b'] }) } })),
  bad('map-key-twice', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['b', 'b'], items: object({ b: { type: 'string' } }, { required: ['b'] }) } })),
  bad('map-key-nullable', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['b'], items: object({ b: { type: 'string', nullable: true } }, { required: ['b'], nullable: true }) } })),
  bad('map-of-strings', spec({ a: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['b'], items: { type: 'string' } } })),
  bad('default-wrong-type', spec({ a: { type: 'string', default: 5 } })),
  bad('default-not-in-enum', spec({ a: { type: 'string', enum: ['x'], default: 'y' } })),
  bad('default-unknown-field', spec({ a: object({ b: { type: 'string' } }, { default: { c: 1 } }) })),
  bad('default-too-long', spec({ a: { type: 'string', maxLength: 1, default: 'long' } })),
  bad('default-in-metadata', object({ metadata: object({ name: { type: 'string', default: 'x' } }) })),
  bad('default-breaks-rule', spec({ a: { type: 'integer', default: 3, ...rules('self % 2 == 0') } })),
  bad('id', spec({ a: { type: 'string', id: 'x' } })),
  bad('ref', spec({ a: { type: 'string', $ref: '#/x' } })),
  one('crd/bad/status-root-keyword', post(crds, definition('wrongs', object({ spec: { type: 'object' } }, { minProperties: 1 }), { version: { subresources: { status: {} } } }), { only: 'status' })),
  bad('scale-paths', spec({}), { version: { subresources: { scale: { specReplicasPath: 'spec.a', statusReplicasPath: '.spec.b', labelSelectorPath: '.metadata.x' } } } }),
  bad('scale-paths-empty', spec({}), { version: { subresources: { scale: { specReplicasPath: '', statusReplicasPath: '' } } } }),
  bad('columns', spec({}), { version: { additionalPrinterColumns: [{ name: '', type: 'text', jsonPath: 'spec.a' }, { name: 'A', type: '', jsonPath: '' }, { name: 'B', type: 'integer', format: 'x', jsonPath: '.spec.b' }] } }),
  bad('selectable', spec({ a: { type: 'string' }, n: { type: 'number' }, l: { type: 'array', items: { type: 'string' } } }), { version: { selectableFields: [{ jsonPath: '.spec.zzz' }, { jsonPath: '.metadata.name' }, { jsonPath: '.spec.n' }, { jsonPath: '.spec.a' }, { jsonPath: '.spec.a' }, { jsonPath: '' }, { jsonPath: ".spec['a']" }] } }),
  bad('selectable-many', spec(Object.fromEntries([...'abcdefghi'].map((n) => [n, { type: 'string' }]))), { version: { selectableFields: [...'abcdefghi'].map((n) => ({ jsonPath: `.spec.${n}` })) } }),
  bad('deprecation-warning', spec({}), { version: { deprecationWarning: 'old' } }),
  bad('deprecation-empty', spec({}), { version: { deprecated: true, deprecationWarning: '' } }),
  bad('scope', spec({}), { scope: 'Global' }),
  bad('names', spec({}), { names: { plural: 'wrongs', singular: 'Wrong', kind: 'wrong kind', listKind: 'x y', shortNames: ['A'], categories: ['B'] } }),
  bad('same-kinds', spec({}), { names: { plural: 'wrongs', kind: 'Wrong', listKind: 'Wrong' } }),
  bad('wrong-name', spec({}), { names: { plural: 'others', kind: 'Other' } }),
  one('crd/bad/group', post(crds, { ...definition('wrongs', spec({})), metadata: { name: 'wrongs.nodots' }, spec: { ...definition('wrongs', spec({})).spec, group: 'nodots' } })),
  one('crd/bad/protected-group', post(crds, { ...definition('wrongs', spec({})), metadata: { name: 'wrongs.x.k8s.io' }, spec: { ...definition('wrongs', spec({})).spec, group: 'x.k8s.io' } })),
  one('crd/bad/protected-invalid', post(crds, { ...definition('wrongs', spec({})), metadata: { name: 'wrongs.x.k8s.io', annotations: { 'api-approved.kubernetes.io': 'yes' } }, spec: { ...definition('wrongs', spec({})).spec, group: 'x.k8s.io' } })),
  bad('preserve-unknown', spec({}), { preserveUnknownFields: true }),
  bad('version-name', spec({}), { version: { name: 'V_1' } }),
  bad('no-schema', undefined, { versions: [{ name: 'v1', served: true, storage: true }] }),
  bad('conversion-strategy', spec({}), { conversion: { strategy: 'Magic' } }),
  bad('conversion-webhook-missing', spec({}), { conversion: { strategy: 'Webhook' } }),
  bad('conversion-webhook-both', spec({}), { conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1', 'v1'], clientConfig: { url: 'https://a/b', service: { namespace: 'x', name: 'y' } } } } }),
  bad('conversion-webhook-url', spec({}), { conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v9'], clientConfig: { url: 'http://a/b?c' } } } }),
  bad('conversion-none-with-webhook', spec({}), { conversion: { strategy: 'None', webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://a/b' } } } })
]

const badRule = (name, properties, more) => bad(`rule/${name}`, spec(properties, more))
const badRules = [
  badRule('syntax', { a: { type: 'integer' } }, rules('self.a ==')),
  badRule('undeclared', { a: { type: 'integer' } }, rules('foo.a == 1')),
  badRule('undefined-field', { a: { type: 'integer' } }, rules('self.b == 1')),
  badRule('overload', { a: { type: 'integer' } }, rules("self.a == 'x'")),
  badRule('overload-plus', { a: { type: 'integer' } }, rules("self.a + 'x' == 2")),
  badRule('not-bool', { a: { type: 'integer' } }, rules('self.a')),
  badRule('unknown-function', { a: { type: 'string' } }, rules('self.a.nope()')),
  badRule('two-errors', { a: { type: 'integer' } }, rules('self.b == 1 && self.c == 2')),
  badRule('empty', { a: { type: 'integer' } }, rules(' ')),
  badRule('message-newline', { a: { type: 'integer' } }, rules(rule('self.a == 1', { message: 'a\nb' }))),
  badRule('message-blank', { a: { type: 'integer' } }, rules(rule('self.a == 1', { message: '  ' }))),
  badRule('rule-newline-no-message', { a: { type: 'integer' } }, rules('self.a == 1\n|| self.a == 2')),
  badRule('reason', { a: { type: 'integer' } }, rules(rule('self.a == 1', { reason: 'Nope' }))),
  badRule('field-path', { a: { type: 'integer' } }, rules(rule('self.a == 1', { fieldPath: '.b' }))),
  badRule('message-expression', { a: { type: 'integer' } }, rules(rule('self.a == 1', { messageExpression: 'self.a' }))),
  badRule('message-expression-syntax', { a: { type: 'integer' } }, rules(rule('self.a == 1', { messageExpression: "'x' +" }))),
  badRule('optional-old-self-unused', { a: { type: 'integer' } }, rules(rule('self.a == 1', { optionalOldSelf: true }))),
  badRule('old-self-uncorrelatable', { a: { type: 'array', items: { type: 'integer', ...rules('self == oldSelf') } } }),
  badRule('cost-unbounded', { a: { type: 'array', items: { type: 'string' } } }, rules('self.a.all(x, self.a.all(y, x == y))')),
  badRule('cost-nested', { a: { type: 'array', items: { type: 'array', items: { type: 'string', ...rules("self.contains('x')") } } } }),
  badRule('cost-regex', { a: { type: 'array', maxItems: 1000, items: { type: 'string', ...rules("self.matches('^[a-z]+$')") } } }),
  badRule('cost-slightly', { a: { type: 'array', maxItems: 3500, items: { type: 'string', maxLength: 100 } } }, rules('self.a.all(x, self.a.exists(y, x == y))')),
  badRule('invalid-regex', { a: { type: 'string' } }, rules("self.a.matches('(')")),
  badRule('mixed-list', { a: { type: 'string' } }, rules("self.a in ['a', 1]")),
  badRule('preserve-unknown', { a: ANY }, rules('self.a.b == 1')),
  badRule('reserved-name', { if: { type: 'boolean' } }, rules('self.if')),
  badRule('optional-syntax', { a: { type: 'string' } }, rules('self.?a'))
]

// --- objects of one definition
const plays = `/apis/${GROUP}/v1/namespaces/{ns}/plays`
const play = (name, of, more = {}) => ({ apiVersion: `${GROUP}/v1`, kind: 'Play', metadata: { name }, ...(of === undefined ? {} : { spec: of }), ...more })
/** Cases over a definition of their own, which is made before and goes after. */
const over = (name, schema, steps, more) => made(`crd/${name}`, [`${crds}/plays.${GROUP}`], post(crds, definition('plays', schema, more), setup), ...steps)
/** Values of spec.v with a schema, each in an object of its own. */
const values = (name, of, ...all) => over(`value/${name}`, spec({ v: of }), all.map((v, i) => post(plays, play(`p${i}`, v === undefined ? {} : { v }))))
const asTable = { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }, drop: ['managedFields', 'description'] }
const text = (more) => ({ type: 'string', ...more })
const number = (more) => ({ type: 'number', ...more })
const whole = (more) => ({ type: 'integer', ...more })
const list = (items, more) => ({ type: 'array', items, ...more })
const withRules = (properties, ...all) => spec(properties, rules(...all))

const keywordCases = [
  values('string', text(), 'a', 5, true, null, {}, ['a']),
  values('integer', whole(), 5, 5.5, '5', null, true),
  values('number', number(), 5, 5.5, '5', null),
  values('boolean', { type: 'boolean' }, true, 'true', 0),
  values('object', object({ a: text() }), { a: 'x' }, { a: 1 }, 'x', ['x'], {}),
  values('array', list(text()), ['a'], [1], 'a', [null], { a: 1 }),
  values('nullable', text({ nullable: true }), null, 'a'),
  values('null-in-list', list(text({ nullable: true })), [null, 'a']),
  values('length', text({ minLength: 2, maxLength: 3 }), 'a', 'abcd', 'ab', 'äöü', ''),
  values('pattern', text({ pattern: '^[a-z]+$' }), 'abc', 'ABC', '1'),
  values('range', whole({ minimum: 2, maximum: 4 }), 1, 2, 4, 5),
  values('exclusive', number({ minimum: 2, exclusiveMinimum: true, maximum: 4, exclusiveMaximum: true }), 2, 3, 4, 2.5),
  values('multiple', whole({ multipleOf: 3 }), 3, 4, 0),
  values('multiple-number', number({ multipleOf: 0.5 }), 1.5, 1.2),
  values('enum', text({ enum: ['a', 'b'] }), 'a', 'c', 'A'),
  values('enum-numbers', whole({ enum: [1, 2] }), 1, 3),
  values('items', list(text(), { minItems: 1, maxItems: 2 }), [], ['a'], ['a', 'b', 'c']),
  values('properties', { type: 'object', minProperties: 1, maxProperties: 2, additionalProperties: text() }, {}, { a: 'x' }, { a: 'x', b: 'y', c: 'z' }, { a: 1 }),
  values('required', object({ a: text(), b: whole() }, { required: ['a', 'b'] }), {}, { a: 'x' }, { a: 'x', b: 1 }, { a: null, b: 1 }),
  values('any-of', object({ a: text(), b: text() }, { anyOf: [{ required: ['a'] }, { required: ['b'] }] }), { a: 'x' }, {}, { a: 'x', b: 'y' }),
  values('one-of', object({ a: text(), b: text() }, { oneOf: [{ required: ['a'] }, { required: ['b'] }] }), { a: 'x' }, {}, { a: 'x', b: 'y' }),
  values('all-of', text({ allOf: [{ minLength: 2 }, { maxLength: 3 }] }), 'ab', 'a', 'abcd'),
  values('not', text({ not: { enum: ['a'] } }), 'a', 'b'),
  values('int-or-string', { 'x-kubernetes-int-or-string': true }, 1, 'a', 1.5, true, null),
  values('int-or-string-pattern', { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }], pattern: '^[0-9]+%?$' }, 1, '50%', 'x'),
  values('preserve', ANY, { a: { b: [1, { c: null }] } }, 'x'),
  values('additional', { type: 'object', additionalProperties: object({ a: text() }) }, { x: { a: 'y', z: 1 } }, { x: 'y' }),
  values('set', list(text(), { 'x-kubernetes-list-type': 'set' }), ['a', 'b'], ['a', 'a'], ['a', 'b', 'a', 'b', 'a']),
  values('set-numbers', list(whole(), { 'x-kubernetes-list-type': 'set' }), [1, 2], [1, 1]),
  values('map', list(object({ k: text(), v: text() }, { required: ['k'] }), { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] }), [{ k: 'a' }, { k: 'b' }], [{ k: 'a' }, { k: 'a', v: 'x' }]),
  values('map-two-keys', list(object({ k: text(), p: text({ default: 'TCP' }) }, { required: ['k'] }), { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k', 'p'] }), [{ k: 'a' }, { k: 'a', p: 'UDP' }], [{ k: 'a' }, { k: 'a', p: 'TCP' }]),
  ...['date-time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'cidr', 'mac', 'uri', 'uuid', 'byte', 'int32', 'hexcolor', 'password', 'k8s-short-name', 'unknown-one'].map((format) =>
    values(`format/${format}`, text({ format }), 'x y', '2020-01-02T03:04:05Z', '2020-01-02', '1h', 'a@b.c', 'a.example.com', '10.0.0.1', '::1', '10.0.0.0/8', '00:11:22:33:44:55', 'https://a.b/c', '123e4567-e89b-12d3-a456-426614174000', 'YWJj', '#fff')
  ),
  values('int32', whole({ format: 'int32' }), 1, 3000000000, -5),
  values('int64', whole({ format: 'int64' }), 1, 3000000000)
]

const behaviourCases = [
  over('defaulting', spec({ a: text({ default: 'x' }), o: object({ b: whole({ default: 3 }), c: text() }, { default: {} }), l: list(object({ d: text({ default: 'y' }) })), n: text({ default: 'z', nullable: true }) }), [
    post(plays, play('one', {})), post(plays, play('two', { a: null, n: null, l: [{}, { d: 'k' }] })), post(plays, play('three')), post(plays, play('four', { o: { c: 'v' } })), get(plays + '/one')
  ]),
  over('pruning', spec({ a: text(), keep: ANY, e: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true } }), [
    post(plays, { ...play('one', { a: 'x', extra: 1, keep: { z: { y: 1 } } }), top: 1 }),
    post(plays + '?fieldValidation=Strict', { ...play('two', { a: 'x', extra: 1 }), top: 1 }),
    post(plays + '?fieldValidation=Ignore', { ...play('three', { a: 'x', extra: 1 }), top: 1 }),
    post(plays, play('four', { e: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', strange: 1, labels: { a: 'b' } }, spec: { any: 1 } } })),
    post(plays, play('five', { e: { kind: 'Pod', metadata: { name: 'BAD NAME' } } })),
    post(plays, play('six', { e: { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { 'bad key': 1 } } } }))
  ]),
  over('metadata', spec({}), [
    post(plays, play('UPPER', {})), post(plays, play('with-finalizer', {}, { metadata: { name: 'with-finalizer', finalizers: ['plain', 'x.example.com', 'example.com/f'] } })),
    patch('merge', plays + '/with-finalizer', { metadata: { finalizers: null } }),
    post(plays, play('labels', {}, { metadata: { name: 'labels', labels: { a: 1 } } })), post(plays, play('labels2', {}, { metadata: { name: 'labels2', labels: { 'bad key': 'x' } } })),
    post(plays, { ...play('k', {}), kind: 'Other' }), post(plays, { ...play('v', {}), apiVersion: `${GROUP}/v9` }), post(plays, { ...play('v', {}), apiVersion: 'apps/v1', kind: 'Deployment' }),
    post(plays, play('ns', {}, { metadata: { name: 'ns', namespace: 'elsewhere' } })), post(plays, { apiVersion: `${GROUP}/v1`, kind: 'Play', metadata: { generateName: 'g-' } }, { generated: 'g-' }),
    post(plays, { apiVersion: `${GROUP}/v1`, kind: 'Play', metadata: {} }), post(plays, '{"a":'), post(plays, '[]'), post(plays, { apiVersion: `${GROUP}/v1`, kind: 'Play', metadata: 'x' }), get(plays + '/nope'), del(plays + '/nope')
  ]),
  over('generation', spec({ a: text() }), [
    post(plays, play('one', { a: 'x' }, { status: { s: 1 } })), patch('merge', plays + '/one', { metadata: { labels: { a: 'b' } } }), patch('merge', plays + '/one', { spec: { a: 'y' } }),
    patch('merge', plays + '/one/status', { status: { s: 1 } }), get(plays + '/one/scale'), put(plays + '/one', play('one', { a: 'z' })), put(plays + '/nope', play('nope', {}))
  ]),
  over('status', object({ spec: object({ a: text() }), status: object({ s: whole({ maximum: 3 }) }) }), [
    post(plays, play('one', { a: 'x' }, { status: { s: 1 } })), patch('merge', plays + '/one/status', { status: { s: 2 }, spec: { a: 'q' }, metadata: { labels: { a: 'b' } } }), patch('merge', plays + '/one/status', { status: { s: 9 } }),
    patch('merge', plays + '/one/status', { status: { extra: 1 } }), patch('merge', plays + '/one', { status: { s: 3 } }), patch('merge', plays + '/one', { spec: { a: 'z' } }), get(plays + '/one/status'), patch('merge', plays + '/one/status', { status: null })
  ], { version: { subresources: { status: {} } } }),
  over('scale', object({ spec: object({ n: whole(), deep: object({ x: text() }) }), status: object({ n: whole(), sel: text() }) }), [
    post(plays, play('one', { n: 2 })), get(plays + '/one/scale'), patch('merge', plays + '/one/status', { status: { n: 1, sel: 'a=b' } }), get(plays + '/one/scale'), patch('merge', plays + '/one/scale', { spec: { replicas: 5 } }), get(plays + '/one'),
    put(plays + '/one/scale', { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'one', namespace: '{ns}' }, spec: { replicas: 7 } }), patch('merge', plays + '/one/scale', { spec: { replicas: -1 } }), post(plays, play('two', {})), get(plays + '/two/scale'), post(plays, play('three', { n: -5 })), patch('json', plays + '/one/scale', [{ op: 'replace', path: '/spec/replicas', value: 4 }])
  ], { version: { subresources: { status: {}, scale: { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n', labelSelectorPath: '.status.sel' } } } }),
  over('columns', spec({ a: text(), n: whole(), d: text({ format: 'date-time' }), b: { type: 'boolean' }, l: list(text()), o: object({ x: text() }), f: number() }), [
    post(plays, play('one', { a: 'x', n: 3, b: true, l: ['p', 'q'], o: { x: 'deep' }, f: 1.5 })), get(plays, { ...asTable, pick: ['kind', 'columnDefinitions', 'rows.0.cells', 'rows.0.object.kind'] }), get(plays + '/one', { ...asTable, pick: ['rows.0.cells', 'rows.0.object.kind'] })
  ], { version: { additionalPrinterColumns: [{ name: 'A', type: 'string', jsonPath: '.spec.a', description: 'the a' }, { name: 'N', type: 'integer', jsonPath: '.spec.n', priority: 1 }, { name: 'B', type: 'boolean', jsonPath: '.spec.b' }, { name: 'L', type: 'string', jsonPath: '.spec.l' }, { name: 'L0', type: 'string', jsonPath: '.spec.l[0]' }, { name: 'O', type: 'string', jsonPath: '.spec.o' }, { name: 'X', type: 'string', jsonPath: '.spec.o.x' }, { name: 'F', type: 'number', jsonPath: '.spec.f', format: 'float' }, { name: 'Z', type: 'string', jsonPath: '.spec.zzz' }, { name: 'NS', type: 'string', jsonPath: '.spec.n' }] } }),
  over('selectable', spec({ a: text(), n: whole(), b: { type: 'boolean' } }), [
    post(plays, play('one', { a: 'x', n: 1, b: true })), post(plays, play('two', { a: 'y' })), get(plays + '?fieldSelector=spec.a%3Dx', { pick: ['items.0.metadata.name', 'items.1'] }), get(plays + '?fieldSelector=spec.n%3D1', { pick: ['items.0.metadata.name', 'items.1'] }), get(plays + '?fieldSelector=spec.b%3Dtrue', { pick: ['items.0.metadata.name', 'items.1'] }),
    get(plays + '?fieldSelector=spec.a!%3Dx', { pick: ['items.0.metadata.name', 'items.1'] }), get(plays + '?fieldSelector=spec.zzz%3Dx'), get(plays + '?fieldSelector=metadata.name%3Dtwo', { pick: ['items.0.metadata.name', 'items.1'] })
  ], { version: { selectableFields: [{ jsonPath: '.spec.a' }, { jsonPath: '.spec.n' }, { jsonPath: '.spec.b' }] } }),
  over('patches', spec({ a: text(), l: list(text()) }), [
    post(plays, play('one', { a: 'x', l: ['p'] })), patch('smp', plays + '/one', { spec: { a: 'y' } }), patch('merge', plays + '/one', { spec: { l: ['q', 'r'] } }), patch('json', plays + '/one', [{ op: 'add', path: '/spec/l/-', value: 's' }]), patch('json', plays + '/one', [{ op: 'replace', path: '/spec/a', value: 5 }]),
    patch('merge', plays + '/one', { spec: { extra: 1 } }), patch('merge', plays + '/one?fieldValidation=Strict', { spec: { extra: 1 } }), patch('merge', plays + '/one', { kind: 'Other' }), patch('merge', plays + '/one', { metadata: { name: 'two' } }), put(plays + '/one', play('one', { a: 'z' }, { metadata: { name: 'one', resourceVersion: '1' } })), patch('merge', plays + '/one?dryRun=All', { spec: { a: 'dry' } }), get(plays + '/one'),
    get(plays, { pick: ['kind', 'apiVersion', 'items.0.kind', 'items.0.apiVersion', 'items.0.spec'] }), del(plays, undefined, { pick: ['kind', 'items.0.kind'] }), get(plays, { pick: ['kind', 'items'] })
  ]),
  over('apply', spec({ a: text(), set: list(text(), { 'x-kubernetes-list-type': 'set' }), map: list(object({ k: text(), v: text() }, { required: ['k'] }), { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] }), plain: list(text()), atomic: { type: 'object', additionalProperties: text(), 'x-kubernetes-map-type': 'atomic' }, granular: { type: 'object', additionalProperties: text() } }), [
    patch('apply', plays + '/one?fieldManager=m1', play('one', { a: 'x', set: ['p'], map: [{ k: 'a', v: '1' }], plain: ['u'], atomic: { x: '1' }, granular: { x: '1' } }), { drop: [] }),
    patch('apply', plays + '/one?fieldManager=m2', play('one', { set: ['q'], map: [{ k: 'b', v: '2' }], granular: { y: '2' } }), { drop: [] }),
    patch('apply', plays + '/one?fieldManager=m2', play('one', { a: 'y' })), patch('apply', plays + '/one?fieldManager=m2', play('one', { plain: ['w'] })), patch('apply', plays + '/one?fieldManager=m2', play('one', { atomic: { y: '2' } })),
    patch('apply', plays + '/one?fieldManager=m2&force=true', play('one', { a: 'y', set: ['q'] }), { drop: [] }), patch('apply', plays + '/one?fieldManager=m1', play('one', { set: ['p'] }), { drop: [] }), patch('apply', plays + '/one?fieldManager=m1', play('one', { extra: 1 })), patch('apply', plays + '/one?fieldManager=m1', play('one', { set: ['z', 'z'] })), patch('apply', plays + '/one?fieldManager=m1', play('one', { a: 5 }))
  ]),
  made('crd/two-versions', [`${crds}/plays.${GROUP}`],
    post(crds, definition('plays', undefined, { versions: [{ ...version(spec({ a: text() })), name: 'v1' }, { ...version(spec({ a: text(), b: text({ default: 'd' }) })), name: 'v2', storage: false }, { ...version(spec({})), name: 'v3', served: false, storage: false }] }), setup),
    post(plays, play('one', { a: 'x', b: 'gone' })), get(plays.replace('/v1/', '/v2/') + '/one'), post(plays.replace('/v1/', '/v2/'), { ...play('two', { a: 'x', b: 'kept' }), apiVersion: `${GROUP}/v2` }), get(plays + '/two'), get(plays.replace('/v1/', '/v3/') + '/one'), get(`/apis/${GROUP}`), get(`/apis/${GROUP}/v2`), get(plays.replace('/v1/', '/v2/'), { pick: ['kind', 'apiVersion', 'items.0.apiVersion', 'items.0.spec', 'items.1.spec'] })
  ),
  made('crd/deprecated', [`${crds}/plays.${GROUP}`],
    post(crds, definition('plays', spec({}), { version: { deprecated: true } }), setup), get(plays, { pick: ['kind'] }), post(plays, play('one', {})), get(plays + '/nope')
  ),
  made('crd/cluster-scoped', [`${crds}/plays.${GROUP}`],
    post(crds, definition('plays', spec({ a: text() }), { scope: 'Cluster' }), setup), post(`/apis/${GROUP}/v1/plays`, play('one', { a: 'x' })), get(`/apis/${GROUP}/v1/plays/one`), get(plays), post(`/apis/${GROUP}/v1/plays`, play('two', {}, { metadata: { name: 'two', namespace: 'x' } })), del(`/apis/${GROUP}/v1/plays/one`)
  ),
  made('crd/definition-itself', [`${crds}/plays.${GROUP}`],
    post(crds, definition('plays', spec({ a: text() }), { names: { plural: 'plays', kind: 'Play', shortNames: ['pl'], categories: ['all'] } }), { wait: 2500 }), get(`${crds}/plays.${GROUP}`), get(crds + `?fieldSelector=metadata.name%3Dplays.${GROUP}`, asTable.headers && { ...asTable, pick: ['columnDefinitions', 'rows.0.cells.0'] }),
    patch('merge', `${crds}/plays.${GROUP}`, { spec: { scope: 'Cluster' } }), patch('merge', `${crds}/plays.${GROUP}`, { spec: { names: { kind: 'Other' } } }), patch('merge', `${crds}/plays.${GROUP}`, { spec: { group: 'x.example.com' } }), patch('merge', `${crds}/plays.${GROUP}`, { spec: { names: { shortNames: ['pp'] } } }, { wait: 1500 }), get(`${crds}/plays.${GROUP}`),
    post(crds, definition('plays', spec({}))), put(`${crds}/plays.${GROUP}`, definition('plays', spec({}))), get(`/apis/${GROUP}/v1`), get(`/apis/${GROUP}/v9`), get('/apis/nothing.example.com/v1')
  ),
  made('crd/conflicting-names', [`${crds}/plays.${GROUP}`, `${crds}/games.${GROUP}`],
    post(crds, definition('plays', spec({}), { names: { plural: 'plays', kind: 'Play', shortNames: ['pl'] } }), setup), post(crds, definition('games', spec({}), { names: { plural: 'games', singular: 'play', kind: 'Play', listKind: 'PlayList', shortNames: ['pl', 'gm'] } }), setup), get(`${crds}/games.${GROUP}`), get(`/apis/${GROUP}/v1/namespaces/{ns}/games`),
    patch('merge', `${crds}/games.${GROUP}`, { spec: { names: { singular: 'game', kind: 'Game', listKind: 'GameList', shortNames: ['gm'] } } }, setup), get(`${crds}/games.${GROUP}`), get(`/apis/${GROUP}/v1/namespaces/{ns}/games`, { pick: ['kind'] })
  ),
  made('crd/deletion', [],
    post(crds, definition('plays', spec({})), setup), post(plays, play('held', {}, { metadata: { name: 'held', finalizers: ['example.com/f'] } })), post(plays, play('free', {})), del(`${crds}/plays.${GROUP}`, undefined, { wait: 2500 }), get(`${crds}/plays.${GROUP}`), post(plays, play('late', {})), get(plays + '/free'), get(plays + '/held'), patch('merge', plays + '/held', { metadata: { finalizers: null } }, { wait: 6500 }), get(`${crds}/plays.${GROUP}`), get(plays)
  ),
  made('crd/unknown-format', [`${crds}/plays.${GROUP}`], post(crds, definition('plays', spec({ a: text({ format: 'nonsense' }) }))), patch('merge', `${crds}/plays.${GROUP}`, { metadata: { labels: { a: 'b' } } }, { only: 'status' }))
]

const celCases = [
  over('cel/outcomes', withRules({ a: whole(), b: whole(), t: text(), l: list(whole()), m: { type: 'object', additionalProperties: text() } }, rule('!has(self.a) || self.a < 5', { message: 'a must be small' }), rule('!has(self.b) || self.b < self.a', { messageExpression: "'b (' + string(self.b) + ') must be below ' + string(self.a)" }), rule('!has(self.t) || self.t.startsWith("x")', { reason: 'FieldValueForbidden', fieldPath: '.t' }), '!has(self.l) || self.l.all(x, x > 0)', '!has(self.m) || !("bad" in self.m)'), [
    post(plays, play('one', { a: 1 })), post(plays, play('two', { a: 9 })), post(plays, play('three', { a: 3, b: 4 })), post(plays, play('four', { a: 1, t: 'y' })), post(plays, play('five', { a: 1, l: [1, -1] })), post(plays, play('six', { m: { bad: 'x' } })), post(plays, play('seven', { b: 1 })), post(plays, play('eight', { a: 9, t: 'y' }))
  ]),
  over('cel/errors', withRules({ l: list(whole()), m: { type: 'object', additionalProperties: whole() }, d: { 'x-kubernetes-int-or-string': true } }, '!has(self.l) || self.l[0] > 0', '!has(self.m) || self.m["k"] > 0', '!has(self.d) || self.d > 1', '!has(self.l) || 10 / self.l[0] > 0'), [
    post(plays, play('one', { l: [] })), post(plays, play('two', { m: {} })), post(plays, play('three', { d: 'x' })), post(plays, play('four', { l: [0] })), post(plays, play('five', { d: 5 }))
  ]),
  over('cel/transitions', withRules({ a: whole(rules(rule('self >= oldSelf', { message: 'never down' }))), b: text(rules(rule('self == oldSelf', { message: 'immutable' }))), c: whole(rules(rule('oldSelf.hasValue() ? self > oldSelf.value() : self == 0', { optionalOldSelf: true, message: 'starts at 0 and grows' }))) }), [
    post(plays, play('one', { a: 2, b: 'x' })), patch('merge', plays + '/one', { spec: { a: 3 } }), patch('merge', plays + '/one', { spec: { a: 1 } }), patch('merge', plays + '/one', { spec: { b: 'y' } }), patch('merge', plays + '/one', { spec: { b: null } }), patch('merge', plays + '/one', { spec: { b: 'z' } }), post(plays, play('two', { c: 5 })), post(plays, play('three', { c: 0 })), patch('merge', plays + '/three', { spec: { c: 0, a: 1 } }), patch('merge', plays + '/three', { spec: { c: 2 } })
  ]),
  over('cel/reasons', withRules({ a: whole(rules(rule('self != 1', { reason: 'FieldValueRequired' }), rule('self != 2', { reason: 'FieldValueDuplicate' }), rule('self != 3', { reason: 'FieldValueInvalid', message: ' trimmed ' }), rule('self != 4', { messageExpression: '"  "', message: 'fallback' }), rule('self != 5', { messageExpression: '"a\\nb"' }))), n: text(rules("self.size() < 3")) }), [
    ...[1, 2, 3, 4, 5].map((a) => post(plays, play(`p${a}`, { a }))), post(plays, play('p6', { n: 'long' }))
  ]),
  over('cel/functions', withRules({ t: text(), q: text(), u: text(), ip: text(), l: list(text(), { maxItems: 10 }), ts: text({ format: 'date-time' }), du: text({ format: 'duration' }), by: text({ format: 'byte' }) }, '!has(self.t) || self.t.find("[0-9]+") == "12"', '!has(self.q) || quantity(self.q).isLessThan(quantity("1Gi"))', '!has(self.u) || url(self.u).getScheme() == "https"', '!has(self.ip) || ip(self.ip).family() == 4', '!has(self.l) || self.l.isSorted()', '!has(self.ts) || self.ts.getFullYear() > 2000', '!has(self.du) || self.du < duration("1h")', '!has(self.by) || self.by == b"abc"'), [
    post(plays, play('ok', { t: 'a12b', q: '500Mi', u: 'https://x/y', ip: '10.0.0.1', l: ['a', 'b'], ts: '2020-01-01T00:00:00Z', du: '5m', by: 'YWJj' })), post(plays, play('t', { t: 'abc' })), post(plays, play('q', { q: '2Gi' })), post(plays, play('q2', { q: 'nope' })), post(plays, play('u', { u: 'http://x' })), post(plays, play('u2', { u: 'no url' })), post(plays, play('ip', { ip: '::1' })), post(plays, play('ip2', { ip: 'x' })), post(plays, play('l', { l: ['b', 'a'] })), post(plays, play('ts', { ts: '1999-01-01T00:00:00Z' })), post(plays, play('ts2', { ts: 'x' })), post(plays, play('du', { du: '2h' })), post(plays, play('by', { by: 'eHl6' }))
  ]),
  over('cel/ratcheting', object({ spec: object({ a: whole({ maximum: 5 }), b: whole(), s: list(text(), { 'x-kubernetes-list-type': 'set' }) }) }), [
    post(plays, play('one', { a: 5, b: 1 })), patch('merge', `${crds}/plays.${GROUP}`, { spec: { versions: [version(object({ spec: object({ a: whole({ maximum: 3 }), b: whole(rules('self > 3')), s: list(text()) }) }))] } }, setup), patch('merge', plays + '/one', { metadata: { labels: { x: 'y' } } }), patch('merge', plays + '/one', { spec: { s: ['q'] } }), patch('merge', plays + '/one', { spec: { a: 4 } }), patch('merge', plays + '/one', { spec: { b: 2 } }), patch('merge', plays + '/one', { spec: { b: 7 } })
  ]),
  over('cel/blocked', withRules({ a: text({ maxLength: 2 }), b: whole() }, 'self.b > 1'), [post(plays, play('one', { a: 'long', b: 0 })), post(plays, play('two', { a: 'x', b: 0 })), post(plays, play('three', { b: 'x' }))]),
  over('cel/metadata', object({ spec: object({ a: text() }) }, rules("self.metadata.name.startsWith('p')", "self.kind == 'Play'", '!has(self.spec.a) || self.metadata.name == self.spec.a')), [post(plays, play('pa', { a: 'pa' })), post(plays, play('pb', { a: 'x' })), post(plays, play('zz', {}))]),
  over('cel/maps-and-sets', withRules({ m: list(object({ k: text(), v: whole(rules('self >= oldSelf')) }, { required: ['k'] }), { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] }), s: list(text(), { 'x-kubernetes-list-type': 'set' }) }, 'oldSelf.s == self.s'), [
    post(plays, play('one', { m: [{ k: 'a', v: 2 }], s: ['x', 'y'] })), patch('merge', plays + '/one', { spec: { s: ['y', 'x'] } }), patch('merge', plays + '/one', { spec: { m: [{ k: 'b', v: 1 }, { k: 'a', v: 3 }] } }), patch('merge', plays + '/one', { spec: { m: [{ k: 'a', v: 1 }] } }), patch('merge', plays + '/one', { spec: { s: ['z'] } })
  ])
]

const all = [...badDefinitions, ...badRules, ...keywordCases, ...behaviourCases, ...celCases]
/** A group for each case: a definition is gone only some time after it was deleted. */
export const cases = all.map((each, i) => JSON.parse(JSON.stringify(each).replaceAll(GROUP, `c${i}.${GROUP}`)))
