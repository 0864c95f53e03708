import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type TestPorts, testPorts } from '../../test/api-fixture.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'
const HOUR = 3_600_000

let ports: TestPorts
let api: TestApi

beforeEach(async () => {
  ports = testPorts()
  api = await createTestApi({ ports })
})
afterEach(() => api.close())

const map = (name: string, data: object, more: object = {}) => {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...more }, data }
}
const now = () => new Date(ports.clock.now()).toISOString()
const patch = (name: string, body: object, manager: string) =>
  api.ask('PATCH', `${MAPS}/${name}?fieldManager=${manager}`, {
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/merge-patch+json' }
  })
const names = (body: { items: { metadata: { name: string }; data: { k: string } }[] }) =>
  body.items.map(({ metadata, data }) => `${metadata.name}=${data.k}`).join(' ')

describe('the history of an object', () => {
  test('tells who changed what and when, newest first', async () => {
    await api.ask('POST', `${MAPS}?fieldManager=one`, { body: map('a', { k: '1' }) })
    ports.advance(60_000)
    await patch('a', { data: { k: '2', l: 'x' } }, 'two')
    ports.advance(60_000)
    await patch('a', { data: { l: null }, metadata: { labels: { on: 'y' } } }, 'three')
    ports.advance(60_000)
    await api.ask('DELETE', `${MAPS}/a`)
    const { status, body } = await api.ask('GET', `${MAPS}/a?wherryHistory=true`)
    expect(status).toBe(200)
    expect(body.kind).toBe('ObjectHistory')
    expect(body.items).toMatchObject([
      { type: 'deleted', time: '2026-05-01T12:03:00Z', changes: [] },
      {
        type: 'updated',
        time: '2026-05-01T12:02:00Z',
        changes: [
          { field: 'metadata.labels.on', to: 'y', manager: 'three', operation: 'Update' },
          { field: 'data.l', from: 'x', manager: 'two' }
        ]
      },
      {
        type: 'updated',
        time: '2026-05-01T12:01:00Z',
        changes: [
          { field: 'data.k', from: '1', to: '2', manager: 'two' },
          { field: 'data.l', to: 'x', manager: 'two' }
        ]
      },
      { type: 'created', time: '2026-05-01T12:00:00Z' }
    ])
    expect(body.items[3].changes).toContainEqual({ field: 'data.k', to: '1', manager: 'one', operation: 'Update' })
  })

  test('comes in pages', async () => {
    await api.ask('POST', MAPS, { body: map('a', { k: '0' }) })
    for (let i = 1; i < 5; i++) await patch('a', { data: { k: String(i) } }, 'x')
    const first = (await api.ask('GET', `${MAPS}/a?wherryHistory=1&limit=3`)).body
    expect(first.items).toHaveLength(3)
    const next = (await api.ask('GET', `${MAPS}/a?wherryHistory=1&limit=3&continue=${first.metadata.continue}`)).body
    expect(next.items.map(({ type }: { type: string }) => type)).toEqual(['updated', 'created'])
    expect(next.metadata).toEqual({})
  })

  test('of what never was, and of what the log no longer knows', async () => {
    expect((await api.ask('GET', `${MAPS}/none?wherryHistory=1`)).status).toBe(404)
    await api.ask('POST', MAPS, { body: map('old', { k: '1' }) })
    for (let i = 0; i < 120; i++) {
      ports.advance(HOUR / 60)
      await new Promise(setImmediate)
    }
    const { items } = (await api.ask('GET', `${MAPS}/old?wherryHistory=1`)).body
    expect(items).toMatchObject([{ type: 'kept', time: '2026-05-01T12:00:00Z', changes: [] }])
    await patch('old', { data: { k: '2' } }, 'x')
    const later = (await api.ask('GET', `${MAPS}/old?wherryHistory=1`)).body
    expect(later.items.map(({ type }: { type: string }) => type)).toEqual(['updated', 'kept'])
  })
})

describe('as it was', () => {
  test('an object at a version and at a time', async () => {
    await api.ask('POST', MAPS, { body: map('b', { k: '0' }) })
    ports.advance(10_000)
    const early = now()
    ports.advance(10_000)
    const { body: created } = await api.ask('POST', MAPS, { body: map('a', { k: '1' }) })
    ports.advance(10_000)
    const between = now()
    ports.advance(10_000)
    const { body: changed } = await patch('a', { data: { k: '2' } }, 'x')
    const at = async (moment: string) => {
      const { status, body } = await api.ask('GET', `${MAPS}/a?wherryAt=${encodeURIComponent(moment)}`)
      return status === 200 ? body.data.k : status
    }
    expect(await at(created.metadata.resourceVersion)).toBe('1')
    expect(await at(changed.metadata.resourceVersion)).toBe('2')
    expect(await at(between)).toBe('1')
    expect(await at(now())).toBe('2')
    expect(await at(early)).toBe(404)
    expect(await at('yesterday')).toBe(400)
    expect(await at('2026-04-01T00:00:00Z')).toBe(410)
    await api.ask('DELETE', `${MAPS}/a`)
    expect(await at(between)).toBe('1')
    expect(await at(String(Number(changed.metadata.resourceVersion) + 1))).toBe(404)
  })

  test('a list, with selectors, pages and tables', async () => {
    await api.ask('POST', MAPS, { body: map('a', { k: '1' }, { labels: { on: 'y' } }) })
    await api.ask('POST', MAPS, { body: map('b', { k: '1' }) })
    const moment = now()
    ports.advance(5_000)
    await patch('a', { data: { k: '2' }, metadata: { labels: null } }, 'x')
    await api.ask('DELETE', `${MAPS}/b`)
    await api.ask('POST', MAPS, { body: map('c', { k: '3' }) })
    const list = async (query: string) => (await api.ask('GET', `${MAPS}?${query}`)).body
    expect(names(await list(''))).toBe('a=2 c=3')
    expect(names(await list(`wherryAt=${moment}`))).toBe('a=1 b=1')
    expect(names(await list(`wherryAt=${moment}&labelSelector=on`))).toBe('a=1')
    const first = await list(`wherryAt=${moment}&limit=1`)
    expect(names(first)).toBe('a=1')
    expect(names(await list(`wherryAt=${moment}&limit=1&continue=${first.metadata.continue}`))).toBe('b=1')
    const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
    const { body } = await api.ask('GET', `${MAPS}?wherryAt=${moment}`, { headers })
    expect(body.rows.map(({ cells }: { cells: unknown[] }) => cells[0])).toEqual(['a', 'b'])
  })

  test('only for those who may get or list', async () => {
    await api.close()
    const asked: string[] = []
    api = await createTestApi({
      ports,
      authorizer: {
        authorize: async ({ verb, resource }) => {
          asked.push(`${verb} ${resource?.resource}/${resource?.name ?? ''}`)
          return { allowed: verb === 'create', reason: '' }
        }
      }
    })
    expect((await api.ask('GET', `${MAPS}/a?wherryHistory=1`)).status).toBe(403)
    expect((await api.ask('GET', `${MAPS}?wherryAt=5`)).status).toBe(403)
    expect(asked.slice(-2)).toEqual(['get configmaps/a', 'list configmaps/'])
  })
})
