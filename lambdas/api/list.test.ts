import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type TestPorts, testPorts } from '../../test/api-fixture.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'

let ports: TestPorts
let api: TestApi

beforeEach(async () => {
  ports = testPorts()
  api = await createTestApi({ ports })
  for (const name of ['a', 'b', 'c', 'd']) {
    await api.ask('POST', MAPS, { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } } })
  }
})
afterEach(() => api.close())

const names = (body: { items: { metadata: { name: string } }[] }) => body.items.map(({ metadata }) => metadata.name)

/** Moves the clock on until the log of before is forgotten: the store trims in steps. */
async function forget(): Promise<void> {
  for (let i = 0; i < 100; i++) {
    ports.advance(60_000)
    await new Promise(setImmediate)
  }
}

test('a page whose snapshot is gone comes with a token for the rest as it is now', async () => {
  const first = (await api.ask('GET', `${MAPS}?limit=1`)).body
  expect(first.metadata.remainingItemCount).toBe(3)
  await api.ask('DELETE', `${MAPS}/b`)
  const next = (await api.ask('GET', `${MAPS}?limit=2&continue=${first.metadata.continue}`)).body
  expect(names(next)).toEqual(['b', 'c'])
  await forget()
  await api.ask('POST', MAPS, { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'bb' } } })
  const { status, body } = await api.ask('GET', `${MAPS}?limit=2&continue=${first.metadata.continue}`)
  expect(status).toBe(410)
  expect(body).toMatchObject({
    reason: 'Expired',
    message: expect.stringMatching(/^The provided continue parameter is too old/)
  })
  const rest = (await api.ask('GET', `${MAPS}?limit=2&continue=${body.metadata.continue}`)).body
  expect(names(rest)).toEqual(['bb', 'c'])
  expect(rest.metadata.remainingItemCount).toBe(1)
  expect(names((await api.ask('GET', `${MAPS}?limit=2&continue=${rest.metadata.continue}`)).body)).toEqual(['d'])
})

test.each([
  ['resourceVersion=1&resourceVersionMatch=Exact', 410, 'The resourceVersion for the provided list is too old.'],
  ['resourceVersion=1&limit=1', 410, 'The resourceVersion for the provided list is too old.'],
  ['resourceVersion=1&resourceVersionMatch=NotOlderThan', 200, undefined],
  ['resourceVersion=1', 200, undefined],
  ['resourceVersion=0&resourceVersionMatch=NotOlderThan', 200, undefined],
  ['resourceVersion=99999', 504, 'Too large resource version: 99999, current: 6']
])('after its log is forgotten, a list at %s: %s', async (query, code, message) => {
  await forget()
  await api.ask('POST', MAPS, { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'e' } } })
  const { status, body } = await api.ask('GET', `${MAPS}?${query}`)
  expect([status, body.message]).toEqual([code, message])
})
