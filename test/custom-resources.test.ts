/** A definition's kind beside everything else that looks at objects: admission, subresources, deletion. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Method } from '../core/http.ts'
import { type ServedApi, serveApi } from './served-api.ts'
import { ADMIN, requestOf } from './test-api.ts'

let served: ServedApi

beforeAll(async () => {
  served = await serveApi()
  await ask('POST', '/api/v1/namespaces', { metadata: { name: 'shop' } })
  const size = { type: 'integer', default: 3, minimum: 1 }
  const schema = (more: object) => ({
    openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size, ...more } } } }
  })
  const subresources = { status: {}, scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } }
  const [status] = await ask('POST', DEFINITIONS, {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        { name: 'v1', served: true, storage: true, subresources, schema: schema({ color: { type: 'string' } }) },
        { name: 'v1beta1', served: true, storage: false, schema: schema({}) }
      ]
    }
  })
  expect(status).toBe(201)
})

afterAll(async () => {
  await served.close()
})

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const POLICIES = '/apis/admissionregistration.k8s.io/v1'
const widgets = (version = 'v1') => `/apis/example.com/${version}/namespaces/shop/widgets`
const widget = (name: string, spec: object, version = 'v1') => ({
  apiVersion: `example.com/${version}`,
  kind: 'Widget',
  metadata: { name },
  spec
})

interface Answered {
  readonly message?: string
  readonly spec?: Readonly<Record<string, unknown>>
  readonly items?: readonly { readonly metadata: { readonly name: string } }[]
  readonly apiVersion?: string
}

async function ask(method: Method, path: string, body?: unknown): Promise<readonly [number, Answered]> {
  const { status, body: answer } = await served.api.handle(requestOf(method, path, { body, user: ADMIN }))
  if (!('payload' in answer)) return [status, {}]
  return [status, JSON.parse(Buffer.from(answer.payload.bytes()).toString())]
}

test('defaults are filled in, wrong values refused, and both versions show the same object', async () => {
  expect((await ask('POST', widgets(), widget('plain', { color: 'red' })))[1].spec).toEqual({ color: 'red', size: 3 })
  const [status, { message }] = await ask('POST', widgets(), widget('wrong', { size: 0 }))
  expect([status, message]).toEqual([
    422,
    'Widget.example.com "wrong" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1'
  ])
  const [, old] = await ask('GET', `${widgets('v1beta1')}/plain`)
  expect([old.apiVersion, old.spec]).toEqual(['example.com/v1beta1', { size: 3 }])
})

test('the scale subresource reads and writes what the definition says', async () => {
  await ask('POST', widgets(), widget('scaled', { size: 2 }))
  const [, scale] = await ask('GET', `${widgets()}/scaled/scale`)
  expect(scale.spec).toEqual({ replicas: 2 })
  await ask('PUT', `${widgets()}/scaled/scale`, { ...scale, spec: { replicas: 4 } })
  expect((await ask('GET', `${widgets()}/scaled`))[1].spec).toEqual({ size: 4 })
})

test('a policy on it denies as on built-in kinds', async () => {
  const rule = { apiGroups: ['example.com'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['widgets'] }
  const validations = [{ expression: 'object.spec.size < 5', message: 'too big' }]
  const spec = { matchConstraints: { resourceRules: [rule] }, validations }
  await ask('POST', `${POLICIES}/validatingadmissionpolicies`, { metadata: { name: 'small' }, spec })
  await ask('POST', `${POLICIES}/validatingadmissionpolicybindings`, {
    metadata: { name: 'small' },
    spec: { policyName: 'small', validationActions: ['Deny'] }
  })
  const [status, { message }] = await ask('POST', widgets(), widget('big', { size: 9 }))
  expect([status, message]).toEqual([
    422,
    `widgets.example.com "big" is forbidden: ValidatingAdmissionPolicy 'small' with binding 'small' denied request: too big`
  ])
  expect((await ask('POST', widgets(), widget('ok', { size: 4 })))[0]).toBe(201)
})

test('its objects go with it', async () => {
  const [, before] = await ask('GET', widgets())
  expect(before.items?.map(({ metadata }) => metadata.name)).toContain('plain')
  expect((await ask('DELETE', `${DEFINITIONS}/widgets.example.com`))[0]).toBe(200)
  expect((await ask('GET', widgets()))[0]).toBe(404)
  expect((await ask('GET', `${DEFINITIONS}/widgets.example.com`))[0]).toBe(404)
})
