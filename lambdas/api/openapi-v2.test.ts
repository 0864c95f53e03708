import { expect, test } from '@jest/globals'
import type { ApiRequest } from '../../core/http.ts'
import { kindTable } from '../../core/kinds/table.ts'
import { openApiV2, translate } from './openapi-v2.ts'

const PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

function ask(headers: Record<string, string> = {}) {
  const request: ApiRequest = { method: 'GET', path: '/openapi/v2', query: new URLSearchParams(), headers }
  const { status, headers: answered, body } = openApiV2(request, kindTable)
  return { status, headers: answered, bytes: 'payload' in body ? Buffer.from(body.payload.bytes()) : undefined }
}

type Json = Record<string, unknown>
const document = translate(kindTable) as unknown as {
  paths: Record<string, Record<string, Json>>
  definitions: Record<string, Json>
}

/** The fields of one protobuf message: number -> contents, of those that have a length. */
function fieldsOf(bytes: Buffer): Map<number, Buffer[]> {
  const found = new Map<number, Buffer[]>()
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    if ((tag & 7) === 0) varint()
    else {
      const length = varint()
      const number = tag >>> 3
      found.set(number, [...(found.get(number) ?? []), bytes.subarray(at, at + length)])
      at += length
    }
  }
  return found
}

test.each([
  [undefined, 200, 'application/json'],
  ['*/*', 200, 'application/json'],
  ['application/json, */*', 200, 'application/json'],
  ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', 200, PROTOBUF],
  [`${PROTOBUF}, application/json`, 200, PROTOBUF],
  ['application/yaml', 406, undefined]
])('Accept: %s is answered %i as %s', (accept, status, type) => {
  const answer = ask(accept === undefined ? {} : { accept })
  expect(answer.status).toBe(status)
  expect(answer.headers['content-type']).toBe(type)
})

test('a client that has it is told so', () => {
  const { headers } = ask()
  expect(ask({ 'if-none-match': headers.etag ?? '' }).status).toBe(304)
})

test('every reference has its definition', () => {
  const references = new Set(JSON.stringify(document).match(/#\/definitions\/[^"]+/g))
  const missing = [...references].filter(
    (one) => !Object.hasOwn(document.definitions, one.slice('#/definitions/'.length))
  )
  expect(references.size).toBeGreaterThan(200)
  expect(missing).toEqual([])
})

test('operations are called as Kubernetes calls them, each once', () => {
  const ids = Object.values(document.paths).flatMap((item) =>
    Object.values(item).flatMap(({ operationId }) => (operationId === undefined ? [] : [operationId]))
  )
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids).toEqual(
    expect.arrayContaining([
      'listCoreV1PodForAllNamespaces',
      'deleteCoreV1CollectionNamespacedPod',
      'readCoreV1NamespacedPodLog',
      'connectCoreV1GetNamespacedPodExec',
      'replaceAppsV1NamespacedDeploymentScale',
      'createRbacAuthorizationV1ClusterRole'
    ])
  )
})

test('an operation names its kind, action and parameters', () => {
  const { patch } = document.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'] ?? {}
  expect(patch).toMatchObject({
    'x-kubernetes-action': 'patch',
    'x-kubernetes-group-version-kind': { group: 'apps', kind: 'Deployment', version: 'v1' },
    responses: { 200: { schema: { $ref: '#/definitions/io.k8s.api.apps.v1.Deployment' } } }
  })
  const names = ((patch?.parameters ?? []) as { name: string }[]).map(({ name }) => name)
  expect(names).toEqual(['body', 'dryRun', 'fieldManager', 'fieldValidation', 'force'])
})

test('what may be a number or a string is a string', () => {
  expect(document.definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString']).toEqual({
    description: expect.stringMatching(/^IntOrString is a type/),
    type: 'string',
    format: 'int-or-string'
  })
})

test('protobuf has every path, and a definition as its schema says', () => {
  const top = fieldsOf(ask({ accept: PROTOBUF }).bytes ?? Buffer.alloc(0))
  const inner = (bytes: Buffer | undefined, number: number) => fieldsOf(bytes ?? Buffer.alloc(0)).get(number) ?? []
  const text = (bytes: Buffer | undefined) => bytes?.toString()
  expect(text(top.get(1)?.[0])).toBe('2.0')
  const paths = inner(top.get(8)?.[0], 2).map((path) => text(inner(path, 1)[0]))
  expect(paths).toEqual(Object.keys(document.paths))
  const secret = inner(top.get(9)?.[0], 1).find((one) => text(inner(one, 1)[0]) === 'io.k8s.api.core.v1.Secret')
  const schema = inner(secret, 2)[0]
  expect(text(inner(inner(schema, 22)[0], 1)[0])).toBe('object')
  expect(inner(inner(schema, 25)[0], 1).map((one) => text(inner(one, 1)[0]))).toContain('stringData')
  const extension = inner(schema, 31)[0]
  expect(text(inner(extension, 1)[0])).toBe('x-kubernetes-group-version-kind')
  expect(text(inner(inner(extension, 2)[0], 2)[0])).toBe('[{"group":"","kind":"Secret","version":"v1"}]')
})
