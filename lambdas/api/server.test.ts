import type { Method } from '../../core/http.ts'
import { type Answer, type Ask, createTestApi, linesOf, type TestApi } from '../../test/test-api.ts'

let t: TestApi

beforeEach(async () => {
  t = await createTestApi()
})

afterEach(async () => {
  await t.close()
})

const CORE = '/api/v1/namespaces/default'
const APPS = '/apis/apps/v1/namespaces/default'
const PATCH = {
  json: { 'content-type': 'application/json-patch+json' },
  merge: { 'content-type': 'application/merge-patch+json' },
  strategic: { 'content-type': 'application/strategic-merge-patch+json' },
  apply: { 'content-type': 'application/apply-patch+yaml' }
}

const configMap = (name: string, more: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  ...more
})
const post = (path: string, body: unknown) => t.ask('POST', path, { body })
const patch = (type: keyof typeof PATCH, path: string, body: unknown) =>
  t.ask('PATCH', path, { body: typeof body === 'string' ? body : JSON.stringify(body), headers: PATCH[type] })

async function expectOk(answer: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await answer
  if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body
}

/** Creates the ConfigMap "a" with data k=v. */
const a = () => expectOk(post(`${CORE}/configmaps`, configMap('a', { data: { k: 'v' } })))
const pod = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec }
})

describe('refusals, in the words of kube-apiserver', () => {
  test.each<[string, Method, string, Ask, number, string]>([
    ['no such path', 'GET', '/nothing', {}, 404, ''],
    ['no such group', 'GET', '/apis/nope.example.com/v1/things', {}, 404, ''],
    ['no such resource', 'GET', '/api/v1/things', {}, 404, 'the server could not find the requested resource'],
    [
      'a namespaced kind without namespace',
      'GET',
      '/api/v1/pods/a',
      {},
      404,
      'the server could not find the requested resource'
    ],
    [
      'a cluster kind in a namespace',
      'GET',
      `${CORE}/nodes`,
      {},
      404,
      'the server could not find the requested resource'
    ],
    [
      'no such subresource',
      'GET',
      `${CORE}/configmaps/a/status`,
      {},
      404,
      'the server could not find the requested resource'
    ],
    ['no such object', 'GET', `${CORE}/configmaps/x`, {}, 404, 'configmaps "x" not found'],
    [
      'a wrong method',
      'POST',
      `${CORE}/configmaps/a`,
      {},
      405,
      'the server does not allow this method on the requested resource'
    ],
    [
      'HEAD',
      'HEAD',
      `${CORE}/configmaps/a`,
      {},
      405,
      'the server does not allow this method on the requested resource'
    ],
    [
      'OPTIONS',
      'OPTIONS',
      `${CORE}/configmaps/a`,
      {},
      405,
      'the server does not allow this method on the requested resource'
    ],
    [
      'a creation in all namespaces',
      'POST',
      '/api/v1/configmaps',
      {},
      405,
      'the server does not allow this method on the requested resource'
    ],
    ['an update of nothing', 'PUT', `${CORE}/configmaps/x`, { body: configMap('x') }, 404, 'configmaps "x" not found'],
    [
      'an update under another name',
      'PUT',
      `${CORE}/configmaps/x`,
      { body: configMap('y') },
      400,
      'the name of the object (y) does not match the name on the URL (x)'
    ],
    [
      'another namespace',
      'POST',
      `${CORE}/configmaps`,
      { body: configMap('x', {}, { namespace: 'y' }) },
      400,
      'the namespace of the provided object does not match the namespace sent on the request'
    ],
    [
      'another namespace in an update',
      'PUT',
      `${CORE}/configmaps/x`,
      { body: configMap('x', {}, { namespace: 'y' }) },
      400,
      'the namespace of the provided object does not match the namespace sent on the request'
    ],
    [
      'no name',
      'POST',
      `${CORE}/configmaps`,
      { body: { metadata: {} } },
      422,
      'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    ],
    [
      'another kind',
      'POST',
      `${CORE}/configmaps`,
      { body: { kind: 'Secret', apiVersion: 'v1' } },
      400,
      'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion'
    ],
    [
      'an unknown kind',
      'POST',
      `${CORE}/configmaps`,
      { body: { kind: 'Boat', apiVersion: 'x/v1' } },
      400,
      'Boat in version "v1" cannot be handled as a ConfigMap: no kind "Boat" is registered for version "x/v1" in scheme "pkg/runtime/scheme.go:111"'
    ],
    [
      'an end in the middle',
      'POST',
      `${CORE}/configmaps`,
      { body: '{"a":' },
      400,
      'the object provided is unrecognized (must be of type ConfigMap): couldn\'t get version/kind; json parse error: unexpected end of JSON input ({"a":)'
    ],
    [
      'no value',
      'POST',
      `${CORE}/configmaps`,
      { body: '{"a":}' },
      400,
      "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character '}' looking for beginning of value ({\"a\":})"
    ],
    [
      'an empty body',
      'POST',
      `${CORE}/configmaps`,
      { body: '' },
      400,
      "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"
    ],
    [
      'dry run of some',
      'POST',
      `${CORE}/configmaps?dryRun=Some`,
      { body: configMap('x') },
      422,
      'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"'
    ],
    [
      'another field validation',
      'POST',
      `${CORE}/configmaps?fieldValidation=x`,
      { body: configMap('x') },
      422,
      'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"'
    ],
    ['a limit that is none', 'GET', `${CORE}/pods?limit=x`, {}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    [
      'an unknown field selector',
      'GET',
      `${CORE}/configmaps?fieldSelector=spec.x%3Dy`,
      {},
      400,
      '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'
    ],
    [
      'a match without version',
      'GET',
      `${CORE}/pods?resourceVersionMatch=Exact`,
      {},
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'
    ],
    [
      'a version of tomorrow',
      'GET',
      `${CORE}/pods?resourceVersion=999&resourceVersionMatch=Exact`,
      {},
      504,
      'Too large resource version: 999, current: 1'
    ],
    [
      'a get of tomorrow',
      'GET',
      `${CORE}/pods/a?resourceVersion=999`,
      {},
      504,
      'Too large resource version: 999, current: 1'
    ],
    [
      'a foreign media type',
      'POST',
      `${CORE}/configmaps`,
      { body: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf'
    ],
    [
      'a patch of no type',
      'PATCH',
      `${CORE}/configmaps/a`,
      { body: '{}', headers: { 'content-type': 'application/json' } },
      415,
      '415: Unsupported Media Type'
    ],
    [
      'an answer that we have not',
      'GET',
      `${CORE}/configmaps/a`,
      { headers: { accept: 'text/html' } },
      406,
      '406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf'
    ],
    [
      'apply',
      'PATCH',
      `${CORE}/configmaps/a?fieldManager=x`,
      { body: '{}', headers: PATCH.apply },
      400,
      'invalid object type: /, Kind='
    ],
    [
      'apply without manager',
      'PATCH',
      `${CORE}/configmaps/a`,
      { body: '{}', headers: PATCH.apply },
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    ],
    [
      'force without apply',
      'PATCH',
      `${CORE}/configmaps/a?force=true`,
      { body: '{}', headers: PATCH.merge },
      422,
      'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    ],
    [
      'both ways to orphan',
      'DELETE',
      `${CORE}/configmaps/a`,
      { body: { kind: 'DeleteOptions', apiVersion: 'v1', orphanDependents: true, propagationPolicy: 'Orphan' } },
      422,
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set'
    ]
  ])('%s', async (_what, method, path, how, status, message) => {
    const answer = await t.ask(method, path, how)
    expect([answer.status, answer.body.message ?? '']).toEqual([status, message])
    if (message === '') expect(answer.body).toBe('404 page not found\n')
    else expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', code: status })
  })

  test('owners that stand twice are kept once, with a warning', async () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' }
    const { body, headers } = await post(`${CORE}/configmaps`, configMap('x', {}, { ownerReferences: [owner, owner] }))
    expect(body.metadata.ownerReferences).toEqual([owner])
    expect(headers.warning).toContain('duplicate UID(s) observed: u')
  })

  test('an update must name what it updates', async () => {
    await expectOk(post(`${CORE}/configmaps`, configMap('x')))
    const { status, body } = await t.ask('PUT', `${CORE}/configmaps/x`, { body: { data: {} } })
    expect([status, body.message]).toEqual([
      400,
      'the name of the object (x based on URL) was undeterminable: name must be provided'
    ])
  })

  test('a creation may not name a version', async () => {
    const { status, body } = await post(`${CORE}/configmaps`, configMap('x', {}, { resourceVersion: '7' }))
    expect([status, body]).toEqual([
      500,
      expect.objectContaining({ message: 'resourceVersion should not be set on objects to be created' })
    ])
    expect(body).not.toHaveProperty('reason')
  })
})

describe('creating', () => {
  test('the server sets what is its own, and clears what clients may not set', async () => {
    const body = await expectOk(
      post(
        `${CORE}/configmaps`,
        configMap(
          'a',
          {},
          { uid: 'mine', generation: 9, deletionTimestamp: '2020-01-01T00:00:00Z', selfLink: 'x', managedFields: [] }
        )
      )
    )
    expect(body.metadata).toEqual({
      name: 'a',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      creationTimestamp: expect.stringMatching(/Z$/),
      resourceVersion: '2'
    })
  })

  test('a generated name that is taken is generated again', async () => {
    let count = 0
    const suffixes = ['aaaaa', 'aaaaa', 'bbbbb']
    const ports = { ...t.ports, ids: { ...t.ports.ids, suffix: () => suffixes[count++] ?? 'zzzzz' } }
    await t.close()
    t = await createTestApi({ ports })
    const names = []
    for (let i = 0; i < 2; i++) {
      const { metadata } = await expectOk(post(`${CORE}/configmaps`, { metadata: { generateName: 'g-' } }))
      names.push(metadata.name)
    }
    expect(names).toEqual(['g-aaaaa', 'g-bbbbb'])
  })

  test.each([
    ['Ignore', 201, undefined],
    ['Warn', 201, '299 - "unknown field \\"dta\\"", 299 - "duplicate field \\"data.k\\""'],
    ['Strict', 400, undefined]
  ])('fields that nobody knows: %s', async (mode, status, warning) => {
    const body = '{"metadata":{"name":"a"},"dta":{},"data":{"k":"v","k":"w"}}'
    const answer = await t.ask('POST', `${CORE}/configmaps?fieldValidation=${mode}`, { body })
    expect([answer.status, answer.headers.warning]).toEqual([status, warning])
    if (status === 201) expect(answer.body).not.toHaveProperty('dta')
  })

  test('YAML is read, and written to who asks for it', async () => {
    const answer = await t.ask('POST', `${CORE}/configmaps`, {
      body: 'metadata:\n  name: a\ndata:\n  k: v\n',
      headers: { 'content-type': 'application/yaml' }
    })
    expect(answer.body.data).toEqual({ k: 'v' })
    const request = {
      method: 'GET' as const,
      path: `${CORE}/configmaps/a`,
      query: new URLSearchParams(),
      headers: { accept: 'application/yaml' }
    }
    const response = await t.api.serve(request, {})
    expect(response.headers['content-type']).toBe('application/yaml')
    if (!('payload' in response.body)) throw new Error('no payload')
    expect(Buffer.from(response.body.payload.bytes()).toString()).toContain('data:\n  k: v\n')
  })

  test('keys named __proto__ are only keys', async () => {
    const body = await expectOk(
      post(`${CORE}/configmaps`, '{"metadata":{"name":"a"},"data":{"__proto__":"x","constructor":"y"}}')
    )
    expect(JSON.stringify(body.data)).toBe('{"__proto__":"x","constructor":"y"}')
    const patched = await expectOk(patch('merge', `${CORE}/configmaps/a`, '{"data":{"__proto__":"z"}}'))
    expect(JSON.stringify(patched.data)).toBe('{"__proto__":"z","constructor":"y"}')
    expect(({} as { x?: string }).x).toBeUndefined()
  })

  test('YAML is that of Go: y is a boolean, a time is text; broken YAML is shown in hexadecimal', async () => {
    const yaml = (body: string) =>
      t.ask('POST', `${CORE}/configmaps`, { body, headers: { 'content-type': 'application/yaml' } })
    const boolean = await yaml('metadata: {name: y}')
    expect(boolean.body.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string'
    )
    const strict = await t.ask('POST', `${CORE}/configmaps?fieldValidation=Strict`, {
      body: 'metadata: {name: b}\ndata:\n  k: "1"\n  k: "2"\nnope: 1\n',
      headers: { 'content-type': 'application/yaml' }
    })
    expect(strict.body.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n  line 4: key "k" already set in map, unknown field "nope"'
    )
    const time = await yaml('metadata: {name: a}\ndata: {k: 2020-01-01}')
    expect(time.body.data).toEqual({ k: '2020-01-01' })
    const broken = await yaml('a: [')
    expect(broken.body.message).toBe(
      'the object provided is unrecognized (must be of type ConfigMap): yaml: line 1: did not find expected node content (613a205b)'
    )
  })

  test('who asks for something old is told', async () => {
    const { status, headers } = await t.ask('GET', `${CORE}/endpoints/none`)
    expect([status, headers.warning]).toEqual([
      404,
      '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    ])
  })

  test('a dry run leaves nothing behind', async () => {
    const answer = await t.ask('POST', `${CORE}/configmaps?dryRun=All`, { body: configMap('a') })
    expect([answer.status, answer.body.metadata.resourceVersion]).toEqual([201, undefined])
    expect((await t.ask('GET', `${CORE}/configmaps/a`)).status).toBe(404)
  })
})

describe('changing', () => {
  test('what changes nothing writes nothing', async () => {
    const before = await a()
    expect(
      await expectOk(t.ask('PUT', `${CORE}/configmaps/a`, { body: configMap('a', { data: { k: 'v' } }) }))
    ).toEqual(before)
    expect(await expectOk(patch('merge', `${CORE}/configmaps/a`, { data: { k: 'v' } }))).toEqual(before)
    expect(await t.store.version('configmaps')).toBe(Number(before.metadata.resourceVersion))
  })

  test.each([
    ['without a version, whatever is there', undefined, 200],
    ['of the newest version', '2', 200],
    ['of another version', '7', 409]
  ])('an update %s', async (_what, resourceVersion, status) => {
    await a()
    const body = configMap('a', { data: { k: 'w' } }, resourceVersion === undefined ? {} : { resourceVersion })
    const answer = await t.ask('PUT', `${CORE}/configmaps/a`, { body })
    expect(answer.status).toBe(status)
    if (status === 409)
      expect(answer.body.message).toBe(
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again'
      )
  })

  test('a lease is made by its update, and later needs the version', async () => {
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/l'
    const lease = { metadata: { name: 'l' }, spec: { holderIdentity: 'me' } }
    expect((await t.ask('PUT', path, { body: lease })).status).toBe(201)
    const answer = await t.ask('PUT', path, { body: lease })
    expect([answer.status, answer.body.message]).toEqual([
      422,
      'Lease.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'
    ])
  })

  test('who may only update does not create so', async () => {
    const asked: string[] = []
    const authorizer = {
      authorize: async ({ verb }: { verb: string }) => {
        asked.push(verb)
        return { allowed: verb !== 'create', reason: '' }
      }
    }
    const strict = await createTestApi({ authorizer })
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/l'
    const { status, body } = await strict.ask('PUT', path, { body: { metadata: { name: 'l' } } })
    expect([status, body.message]).toEqual([
      403,
      'leases.coordination.k8s.io "l" is forbidden: User "admin" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "default"'
    ])
    expect(asked).toEqual(['create', 'update', 'create'])
    await strict.close()
  })

  test('an update of an object that was made anew meanwhile is refused', async () => {
    const { metadata } = await a()
    const body = configMap('a', {}, { uid: '00000000-0000-0000-0000-000000000000' })
    const answer = await t.ask('PUT', `${CORE}/configmaps/a`, { body })
    expect([answer.status, answer.body.message]).toEqual([
      409,
      `Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: 00000000-0000-0000-0000-000000000000, UID in object meta: ${metadata.uid}`
    ])
  })

  test('patches that race are all kept', async () => {
    await a()
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)
    const answers = await Promise.all(
      keys.map((key) => patch('merge', `${CORE}/configmaps/a`, { data: { [key]: 'x' } }))
    )
    expect(answers.map(({ status }) => status)).toEqual(keys.map(() => 200))
    const { data } = await expectOk(t.ask('GET', `${CORE}/configmaps/a`))
    expect(Object.keys(data).sort()).toEqual(['k', ...keys].sort())
  })

  test.each<[string, keyof typeof PATCH, string, number, string]>([
    ['a broken merge patch', 'merge', '{', 400, 'error decoding patch: unexpected end of JSON input'],
    ['a wrong type', 'merge', '{"data":5}', 422, ' "" is invalid: patch: Invalid value: '],
    [
      'an unknown operation',
      'json',
      '[{"op":"x"}]',
      422,
      'the server rejected our request due to an error in our request'
    ],
    [
      'another kind',
      'merge',
      '{"kind":"Secret"}',
      422,
      'converting (v1.Secret) to (core.ConfigMap): unknown conversion'
    ],
    [
      'another name',
      'merge',
      '{"metadata":{"name":"b"}}',
      400,
      'the name of the object (b) does not match the name on the URL (a)'
    ],
    ['an old version', 'merge', '{"metadata":{"resourceVersion":"9"}}', 409, 'Operation cannot be fulfilled'],
    [
      'no version at all',
      'merge',
      '{"metadata":{"resourceVersion":"abc"}}',
      400,
      'strconv.ParseUint: parsing "abc": invalid syntax'
    ],
    ['text for a map', 'strategic', '{"data":"x"}', 422, 'cannot restore map from string'],
    ['a number for text', 'strategic', '{"data":{"k":5}}', 422, 'cannot convert int64 to string'],
    ['a map for text', 'strategic', '{"data":{"k":{}}}', 422, 'unrecognized type: string'],
    ['a number for a flag', 'strategic', '{"immutable":1}', 422, 'unrecognized type: bool'],
    ['text for a list', 'strategic', '{"metadata":{"ownerReferences":"x"}}', 422, 'cannot restore slice from string'],
    ['an unknown directive', 'strategic', '{"data":{"$patch":"x"}}', 400, 'unknown patch type: x in map: map[$patch:x]']
  ])('a patch with %s is refused', async (_what, type, body, status, message) => {
    await a()
    const answer = await patch(type, `${CORE}/configmaps/a`, body)
    expect(answer.status).toBe(status)
    expect(answer.body.message).toContain(message)
  })

  test('spec changes count as generations, the rest does not', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    const spec = { selector: { matchLabels: { a: 'b' } }, template }
    await expectOk(post(`${APPS}/deployments`, { metadata: { name: 'd' }, spec }))
    const generation = async (path: string, body: object) =>
      (await expectOk(patch('merge', `${APPS}/deployments/${path}`, body))).metadata.generation
    expect(await generation('d', { metadata: { labels: { x: 'y' } } })).toBe(1)
    expect(await generation('d', { spec: { paused: true } })).toBe(2)
    expect(await generation('d/status', { status: { replicas: 1 } })).toBe(2)
    expect(await generation('d', { status: { replicas: 7 } })).toBe(2)
    const { status } = await expectOk(t.ask('GET', `${APPS}/deployments/d`))
    expect(status.replicas).toBe(1)
    const scaled = await expectOk(patch('merge', `${APPS}/deployments/d/scale`, { spec: { replicas: 4 } }))
    expect([scaled.kind, scaled.spec, scaled.status]).toEqual([
      'Scale',
      { replicas: 4 },
      { replicas: 1, selector: 'a=b' }
    ])
    const after = await expectOk(t.ask('GET', `${APPS}/deployments/d`))
    expect([after.spec.replicas, after.metadata.generation]).toEqual([4, 3])
  })
})

describe('deleting', () => {
  test.each<[string, object, string | undefined]>([
    ['another uid', { uid: 'x' }, 'the UID in the precondition (x) does not match the UID in record'],
    [
      'another version',
      { resourceVersion: '9' },
      'the ResourceVersion in the precondition (9) does not match the ResourceVersion in record (2)'
    ],
    ['the version that is there', { resourceVersion: '2' }, undefined]
  ])('with a precondition on %s', async (_what, preconditions, message) => {
    await a()
    const answer = await t.ask('DELETE', `${CORE}/configmaps/a`, { body: { preconditions } })
    if (message === undefined) expect(answer.status).toBe(200)
    else {
      expect(answer.status).toBe(409)
      expect(answer.body.message).toContain(message)
    }
  })

  test('finalizers keep an object until the last one goes; none may be added meanwhile', async () => {
    await expectOk(post(`${CORE}/configmaps`, configMap('a', {}, { finalizers: ['x.io/a', 'x.io/b'] })))
    const { metadata } = await expectOk(t.ask('DELETE', `${CORE}/configmaps/a`))
    expect(metadata).toMatchObject({ deletionGracePeriodSeconds: 0, deletionTimestamp: expect.any(String) })
    const added = await patch('merge', `${CORE}/configmaps/a`, { metadata: { finalizers: ['x.io/a', 'x.io/c'] } })
    expect([added.status, added.body.message]).toEqual([
      422,
      'ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x.io/c"}'
    ])
    await expectOk(patch('merge', `${CORE}/configmaps/a`, { metadata: { finalizers: ['x.io/b'] } }))
    expect((await t.ask('GET', `${CORE}/configmaps/a`)).status).toBe(200)
    await expectOk(patch('merge', `${CORE}/configmaps/a`, { metadata: { finalizers: null } }))
    expect((await t.ask('GET', `${CORE}/configmaps/a`)).status).toBe(404)
  })

  test.each([
    ['Foreground', ['foregroundDeletion']],
    ['Orphan', ['orphan']],
    ['Background', undefined]
  ])('propagation %s', async (policy, finalizers) => {
    await a()
    await expectOk(t.ask('DELETE', `${CORE}/configmaps/a?propagationPolicy=${policy}`))
    const { status, body } = await t.ask('GET', `${CORE}/configmaps/a`)
    expect([status, body.metadata.finalizers]).toEqual([finalizers === undefined ? 404 : 200, finalizers])
  })

  test('a pod on a node waits for its node; the time may only be made shorter', async () => {
    await expectOk(post(`${CORE}/pods`, pod('p', { nodeName: 'n', terminationGracePeriodSeconds: 20 })))
    const seconds = async (query: string) => {
      const { body } = await t.ask('DELETE', `${CORE}/pods/p${query}`)
      return body.metadata.deletionGracePeriodSeconds
    }
    expect(await seconds('?gracePeriodSeconds=10')).toBe(10)
    expect(await seconds('?gracePeriodSeconds=30')).toBe(10)
    expect(await seconds('')).toBe(10)
    expect(await seconds('?gracePeriodSeconds=3')).toBe(3)
    expect((await expectOk(t.ask('GET', `${CORE}/pods/p`))).metadata.generation).toBe(2)
    expect(await seconds('?gracePeriodSeconds=0')).toBe(0)
    expect((await t.ask('GET', `${CORE}/pods/p`)).status).toBe(404)
  })

  test('a collection goes by its selector', async () => {
    for (const [name, go] of [
      ['a', 'y'],
      ['b', 'n'],
      ['c', 'y']
    ] as const)
      await expectOk(post(`${CORE}/configmaps`, configMap(name, {}, { labels: { go } })))
    const list = await expectOk(t.ask('DELETE', `${CORE}/configmaps?labelSelector=go%3Dy`))
    expect([list.kind, list.items.map((one: { metadata: { name: string } }) => one.metadata.name)]).toEqual([
      'ConfigMapList',
      ['a', 'c']
    ])
    expect((await expectOk(t.ask('GET', `${CORE}/configmaps`))).items).toHaveLength(1)
  })

  test('a namespace turns Terminating, and goes when it is finalized', async () => {
    await expectOk(post('/api/v1/namespaces', { metadata: { name: 'n' } }))
    const { status } = await expectOk(t.ask('DELETE', '/api/v1/namespaces/n'))
    expect(status).toEqual({ phase: 'Terminating' })
    const namespace = await expectOk(t.ask('GET', '/api/v1/namespaces/n'))
    await expectOk(t.ask('PUT', '/api/v1/namespaces/n/finalize', { body: { ...namespace, spec: {} } }))
    expect((await t.ask('GET', '/api/v1/namespaces/n')).status).toBe(404)
  })
})

describe('lists', () => {
  test('pages are one snapshot, whatever happens between them', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await expectOk(post(`${CORE}/configmaps`, configMap(name)))
    const first = await expectOk(t.ask('GET', `${CORE}/configmaps?limit=2`))
    expect(first.metadata).toEqual({ resourceVersion: '6', continue: expect.any(String), remainingItemCount: 3 })
    await expectOk(t.ask('DELETE', `${CORE}/configmaps/c`))
    await expectOk(post(`${CORE}/configmaps`, configMap('cc')))
    const rest = await expectOk(
      t.ask('GET', `${CORE}/configmaps?continue=${encodeURIComponent(first.metadata.continue)}`)
    )
    expect(rest.items.map((one: { metadata: { name: string } }) => one.metadata.name)).toEqual(['c', 'd', 'e'])
    expect(rest.metadata).toEqual({ resourceVersion: '6' })
    const exact = await expectOk(t.ask('GET', `${CORE}/configmaps?resourceVersion=6&resourceVersionMatch=Exact`))
    expect(exact.items).toHaveLength(5)
  })

  test('items carry no kind, and stand as they are stored', async () => {
    const { kind: _, apiVersion: __, ...item } = await a()
    const list = await expectOk(t.ask('GET', '/api/v1/configmaps'))
    expect(list).toEqual({ kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: '2' }, items: [item] })
  })

  test('by a declared index', async () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u1', controller: true }
    await expectOk(post(`${CORE}/configmaps`, configMap('a', {}, { ownerReferences: [owner] })))
    await expectOk(post(`${CORE}/configmaps`, configMap('b')))
    const names = async (index: string) => {
      const list = await expectOk(t.ask('GET', `/api/v1/configmaps?wherryIndex=${index}`))
      return list.items.map((one: { metadata: { name: string } }) => one.metadata.name)
    }
    expect(await names('controller%3Du1')).toEqual(['a'])
    expect(await names('controller%3Du2')).toEqual([])
    expect((await t.ask('GET', '/api/v1/configmaps?wherryIndex=nope%3Dx')).status).toBe(400)
  })

  test('as a table and as metadata', async () => {
    await a()
    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' }
    const { columnDefinitions, rows } = await expectOk(
      t.ask('GET', `${CORE}/configmaps?includeObject=None`, { headers: table })
    )
    expect(columnDefinitions.map((one: { name: string }) => one.name)).toEqual(['Name', 'Data', 'Age'])
    expect(rows).toEqual([{ cells: ['a', 1, expect.any(String)], object: null }])
    const metadata = { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' }
    const list = await expectOk(t.ask('GET', `${CORE}/configmaps`, { headers: metadata }))
    expect([list.kind, list.items[0].kind, list.items[0].data]).toEqual([
      'PartialObjectMetadataList',
      'PartialObjectMetadata',
      undefined
    ])
  })
})

describe('watches', () => {
  const watch = async (query: string, how: Ask = {}) =>
    (await t.ask('GET', `${CORE}/configmaps?watch=1${query}`, how)).response
  const told = (lines: { type: string; object: { metadata: { name?: string | undefined } } }[]) =>
    lines.map(({ type, object }) => `${type} ${object.metadata.name ?? ''}`)

  test('from a version: each change once, in order', async () => {
    await a()
    const lines = linesOf(await watch('&resourceVersion=2'), 3)
    await expectOk(post(`${CORE}/configmaps`, configMap('b')))
    await expectOk(patch('merge', `${CORE}/configmaps/a`, { data: { k: 'w' } }))
    await expectOk(t.ask('DELETE', `${CORE}/configmaps/b`))
    expect(told(await lines)).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b'])
  })

  test('the old path of one object', async () => {
    await a()
    const { response } = await t.ask('GET', `/api/v1/watch/namespaces/default/configmaps/b?resourceVersion=2`)
    const lines = linesOf(response, 1)
    await expectOk(patch('merge', `${CORE}/configmaps/a`, { data: { k: 'w' } }))
    await expectOk(post(`${CORE}/configmaps`, configMap('b')))
    expect(told(await lines)).toEqual(['ADDED b'])
  })

  test('a selector makes changes into comings and goings', async () => {
    const lines = linesOf(await watch('&resourceVersion=0&labelSelector=on%3Dy'), 4)
    await expectOk(post(`${CORE}/configmaps`, configMap('a')))
    for (const on of ['y', 'n', 'y'])
      await expectOk(patch('merge', `${CORE}/configmaps/a`, { metadata: { labels: { on } } }))
    await expectOk(t.ask('DELETE', `${CORE}/configmaps/a`))
    const all = await lines
    expect(told(all)).toEqual(['ADDED a', 'DELETED a', 'ADDED a', 'DELETED a'])
    expect(all.map(({ object }) => object.metadata.resourceVersion)).toEqual(['3', '4', '5', '6'])
    expect(all[1]?.object.metadata.labels).toEqual({ on: 'y' })
  })

  test('the initial state, closed by a bookmark', async () => {
    await a()
    const query = '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const lines = await linesOf(await watch(query), 2)
    expect(told(lines)).toEqual(['ADDED a', 'BOOKMARK '])
    expect(lines[1]?.object.metadata).toEqual({
      resourceVersion: '2',
      creationTimestamp: null,
      annotations: { 'k8s.io/initial-events-end': 'true' }
    })
  })

  test('until now: what is new, and then the word that this was all', async () => {
    await a()
    const until = '&wherryUntil=now'
    const end = (resourceVersion: string) => ({
      type: 'BOOKMARK',
      object: {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { resourceVersion, creationTimestamp: null, annotations: { 'wherry.dev/caught-up': 'true' } }
      }
    })
    expect(await linesOf(await watch(`${until}&resourceVersion=2`))).toEqual([end('2')])
    await expectOk(post(`${CORE}/configmaps`, configMap('b')))
    await expectOk(patch('merge', `${CORE}/configmaps/a`, { data: { k: 'w' } }))
    const some = await linesOf(await watch(`${until}&resourceVersion=2&fieldSelector=metadata.name%3Da`))
    expect(told(some)).toEqual(['MODIFIED a', 'BOOKMARK '])
    expect(some[1]).toEqual(end('4'))
    const elsewhere = await t.ask('GET', `/api/v1/namespaces/other/configmaps?watch=1${until}&resourceVersion=2`)
    expect(await linesOf(elsewhere.response)).toEqual([end('4')])
  })

  test('as tables: headers in the first event only', async () => {
    await a()
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const lines = linesOf(await watch('&resourceVersion=0', { headers: { accept } }), 2)
    await expectOk(post(`${CORE}/configmaps`, configMap('b')))
    const tables = (await lines) as unknown as {
      object: { columnDefinitions: unknown; rows: { cells: unknown[] }[] }
    }[]
    expect(tables.map(({ object }) => [object.columnDefinitions === null, object.rows[0]?.cells[0]])).toEqual([
      [false, 'a'],
      [true, 'b']
    ])
  })

  test('bookmarks tell how far it has come, again and again', async () => {
    const { clock } = t.ports
    // A minute passes in a tenth of a second.
    const ports = {
      ...t.ports,
      clock: { ...clock, after: (ms: number, run: () => void) => clock.after(ms / 600, run) }
    }
    await t.close()
    t = await createTestApi({ ports })
    const lines = linesOf(await watch('&allowWatchBookmarks=true&labelSelector=never'), 3)
    await a()
    const all = await lines
    expect(all.map(({ type }) => type)).toEqual(['BOOKMARK', 'BOOKMARK', 'BOOKMARK'])
    expect(all[2]?.object).toEqual({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { resourceVersion: '2', creationTimestamp: null }
    })
  })

  test('a version that is no longer kept ends it with an error', async () => {
    const lines = await linesOf(await watch('&resourceVersion=999'), 1)
    expect(lines).toEqual([{ type: 'ERROR', object: expect.objectContaining({ kind: 'Status', code: 504 }) }])
  })

  test('a timeout ends it, and so does its client', async () => {
    expect(await linesOf(await watch('&timeoutSeconds=1&resourceVersion=0'))).toEqual([])
    const client = new AbortController()
    const lines = linesOf(await watch('', { signal: client.signal }))
    client.abort()
    expect(await lines).toEqual([])
  })

  test('watchers share the lines of a version', async () => {
    await a()
    const bytes: Uint8Array[] = []
    for (let i = 0; i < 2; i++) {
      const response = await watch('&resourceVersion=0')
      if (!('watch' in response.body)) throw new Error('no watch')
      for await (const batch of response.body.watch) {
        for (const line of batch) bytes.push(line.bytes())
        break
      }
    }
    expect(bytes[0]).toBe(bytes[1])
  })
})

describe('pods and their subresources', () => {
  test('a pod is bound once', async () => {
    await expectOk(post(`${CORE}/pods`, pod('p')))
    const bind = (name: string) =>
      post(`${CORE}/pods/p/binding`, { metadata: { name: 'p' }, target: { kind: 'Node', name } })
    expect((await bind('n1')).body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      code: 201
    })
    const { spec, status } = await expectOk(t.ask('GET', `${CORE}/pods/p`))
    expect([spec.nodeName, status.conditions[0]]).toEqual([
      'n1',
      expect.objectContaining({ type: 'PodScheduled', status: 'True' })
    ])
    const again = await bind('n2')
    expect([again.status, again.body.message]).toEqual([
      409,
      'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"'
    ])
    const old = await post(`${CORE}/bindings`, { metadata: { name: 'p' }, target: { name: 'n3' } })
    expect(old.status).toBe(409)
    const wrong = await post(`${CORE}/pods/p/binding`, { metadata: { name: 'p' }, target: { kind: 'Ship', name: 'x' } })
    expect([wrong.status, wrong.body.message]).toEqual([
      400,
      'target.kind: Unsupported value: "Ship": supported values: "Node", "<empty>"'
    ])
  })

  test('an evicted pod is deleted', async () => {
    await expectOk(post(`${CORE}/pods`, pod('p')))
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } }
    expect((await post(`${CORE}/pods/p/eviction`, eviction)).status).toBe(201)
    expect((await t.ask('GET', `${CORE}/pods/p`)).status).toBe(404)
  })

  test('a resize changes cpu and memory, and nothing else', async () => {
    const resources = (cpu: string) => ({ requests: { cpu, memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } })
    const containers = [{ name: 'c', image: 'i', resources: resources('100m') }]
    await expectOk(post(`${CORE}/pods`, pod('p', { containers })))
    const resize = (container: object) =>
      patch('strategic', `${CORE}/pods/p/resize`, { spec: { containers: [{ name: 'c', ...container }] } })
    const { spec, metadata } = await expectOk(resize({ image: 'other', resources: resources('200m') }))
    expect([spec.containers[0].image, spec.containers[0].resources, metadata.generation]).toEqual([
      'i',
      resources('200m'),
      2
    ])
    const bigger = await resize({ resources: resources('1') })
    expect(bigger.body.message).toBe(
      'Pod "p" is invalid: spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'
    )
  })

  test('the status path leaves the spec, the main path the status', async () => {
    await expectOk(post(`${CORE}/pods`, pod('p')))
    await expectOk(
      patch('strategic', `${CORE}/pods/p/status`, { spec: { nodeName: 'x' }, status: { phase: 'Running' } })
    )
    const changed = await expectOk(patch('strategic', `${CORE}/pods/p`, { status: { phase: 'Failed' } }))
    expect([changed.spec.nodeName, changed.status.phase]).toEqual([undefined, 'Running'])
  })
})

describe('discovery', () => {
  test.each([
    ['/apis/apps/v9', 404, 'the server could not find the requested resource'],
    ['/apis/apps/v9/deployments', 404, 'the server could not find the requested resource'],
    ['/api/v9', 404, 'the server could not find the requested resource'],
    ['/apis/none/v1', 404, undefined]
  ])('%s leads nowhere', async (path, status, message) => {
    const answer = await t.ask('GET', path)
    expect([answer.status, answer.body.message]).toEqual([status, message])
  })

  test('who takes only a form of old is refused', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'
    expect((await t.ask('GET', '/apis', { headers: { accept } })).status).toBe(406)
    const { kind } = await expectOk(t.ask('GET', '/apis', { headers: { accept: `${accept},application/json` } }))
    expect(kind).toBe('APIGroupList')
  })

  test('aggregated, with an ETag', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
    const { headers, body } = await t.ask('GET', '/apis', { headers: { accept } })
    expect(headers['content-type']).toBe('application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')
    expect(body.items[0]).toMatchObject({
      metadata: { name: 'apiregistration.k8s.io' },
      versions: [{ version: 'v1', freshness: 'Current' }]
    })
    const again = await t.ask('GET', '/apis', { headers: { accept, 'if-none-match': headers.etag ?? '' } })
    expect(again.status).toBe(304)
  })

  test('every document of OpenAPI that the index names is there, and refers only to what it holds', async () => {
    const { paths } = await expectOk(t.ask('GET', '/openapi/v3'))
    expect(Object.keys(paths)).toContain('apis/apps/v1')
    for (const { serverRelativeURL } of Object.values(paths) as { serverRelativeURL: string }[]) {
      const document = await expectOk(t.ask('GET', serverRelativeURL))
      const known = new Set(Object.keys(document.components.schemas))
      const refs = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
        (match) => match[1] ?? ''
      )
      expect(refs.filter((ref) => !known.has(ref))).toEqual([])
    }
  })

  test('hidden kinds are served and not shown', async () => {
    expect((await t.ask('GET', '/apis/internal.wherry.dev/v1/nodeledgers')).status).toBe(200)
    expect(JSON.stringify((await t.ask('GET', '/apis')).body)).not.toContain('wherry')
  })
})

test('an unknown error is a 500 with a line in the log, and nothing more', async () => {
  const log: object[] = []
  const broken = await createTestApi({
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: (fields) => log.push(fields) },
    effects: [
      async ({ key }) => {
        if (key === 'default/x') throw new TypeError('a bug')
        return []
      }
    ]
  })
  const answer = await broken.ask('POST', `${CORE}/configmaps`, { body: configMap('x') })
  expect([answer.status, answer.body.reason, answer.body.message]).toEqual([
    500,
    'InternalError',
    'Internal error occurred: a bug'
  ])
  expect(log).toHaveLength(1)
  await broken.close()
})

test('effects are committed with their object, or neither is', async () => {
  const ledger = { apiVersion: 'v1', kind: 'Ledger', metadata: { name: 'l' }, count: 1 }
  let expected = 0
  const api = await createTestApi({
    effects: [
      async ({ kind }) =>
        kind.resource === 'configmaps'
          ? [{ resource: 'ledgers', key: 'l', expected, object: structuredClone(ledger) }]
          : []
    ]
  })
  expect((await api.ask('POST', `${CORE}/configmaps`, { body: configMap('a') })).status).toBe(201)
  expect((await api.store.get('ledgers', 'l'))?.version).toBe(2)
  expected = 7
  expect((await api.ask('POST', `${CORE}/configmaps`, { body: configMap('b') })).status).toBe(409)
  expect((await api.ask('GET', `${CORE}/configmaps/b`)).status).toBe(404)
  await api.close()
})
