import { fakePorts } from '../../test/fake-ports.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'
import { defaultAccount } from './default-account.ts'

const NAMESPACE = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'n' } }

describe('a namespace with its service account', () => {
  let t: TestApi
  beforeEach(async () => {
    const ports = fakePorts()
    t = await createTestApi({ ports, effects: [defaultAccount(ports)] })
  })
  afterEach(() => t.close())

  const accounts = async () =>
    (await t.ask('GET', '/api/v1/serviceaccounts')).body.items.map(
      ({ metadata }: { metadata: { namespace: string; name: string } }) => `${metadata.namespace}/${metadata.name}`
    )

  test('has it at once, in the same transaction', async () => {
    expect((await t.ask('POST', '/api/v1/namespaces', { body: NAMESPACE })).status).toBe(201)
    expect(await accounts()).toEqual(['default/default', 'n/default'])
    const { body } = await t.ask('GET', '/api/v1/namespaces/n/serviceaccounts/default')
    expect(body.metadata).toMatchObject({ uid: expect.any(String), creationTimestamp: '2026-01-01T00:00:00Z' })
  })

  test('gets none for a try, a change or a refusal', async () => {
    await t.ask('POST', '/api/v1/namespaces?dryRun=All', { body: NAMESPACE })
    expect(await accounts()).toEqual(['default/default'])
    await t.ask('POST', '/api/v1/namespaces', { body: NAMESPACE })
    await t.ask('DELETE', '/api/v1/namespaces/n/serviceaccounts/default')
    expect((await t.ask('POST', '/api/v1/namespaces', { body: NAMESPACE })).status).toBe(409)
    const body = { ...NAMESPACE, metadata: { name: 'n', labels: { a: 'b' } } }
    expect((await t.ask('PUT', '/api/v1/namespaces/n', { body })).status).toBe(200)
    expect(await accounts()).toEqual(['default/default'])
  })

  test('keeps the one that is there', async () => {
    const account = {
      kind: 'ServiceAccount',
      apiVersion: 'v1',
      metadata: { name: 'default', namespace: 'n', uid: 'u' }
    }
    await t.store.commit([{ resource: 'serviceaccounts', key: 'n/default', expected: 0, object: account }])
    expect((await t.ask('POST', '/api/v1/namespaces', { body: NAMESPACE })).status).toBe(201)
    expect((await t.ask('GET', '/api/v1/namespaces/n/serviceaccounts/default')).body.metadata.uid).toBe('u')
  })
})
