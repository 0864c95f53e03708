import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createTestApi, type TestApi } from '../../test/test-api.ts'

let api: TestApi

beforeEach(async () => {
  api = await createTestApi()
})
afterEach(() => api.close())

async function scraped(): Promise<string> {
  const { body, headers } = (await api.ask('GET', '/metrics')).response
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  return 'text' in body ? body.text : ''
}

test('requests are counted where they went and how they ended', async () => {
  const maps = '/api/v1/namespaces/default/configmaps'
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }
  await api.ask('POST', `${maps}?dryRun=All`, { body: structuredClone(body) })
  for (let i = 0; i < 2; i++) await api.ask('POST', maps, { body: structuredClone(body) })
  await api.ask('GET', '/readyz')
  await api.ask('GET', '/no/such/path')
  const text = await scraped()
  const at =
    'component="apiserver",group="",resource="configmaps",scope="namespace",subresource="",verb="POST",version="v1"'
  expect(text).toContain(`apiserver_request_total{code="201",dry_run="All",${at}} 1\n`)
  expect(text).toContain(`apiserver_request_total{code="201",dry_run="",${at}} 1\n`)
  expect(text).toContain(`apiserver_request_total{code="409",dry_run="",${at}} 1\n`)
  expect(text).toContain(`apiserver_request_duration_seconds_count{dry_run="",${at}} 2\n`)
  expect(text).toContain('subresource="/readyz",verb="GET",version=""} 1\n')
  expect(text).not.toContain('/no/such')
  expect(text).toContain('apiserver_storage_objects{resource="configmaps"} 1\n')
  expect(text).toContain('apiserver_storage_objects{resource="namespaces"} 1\n')
  expect(text).toContain('apiserver_current_inflight_requests{request_kind="mutating"} 0\n')
  expect(text).toContain('apiserver_current_inflight_requests{request_kind="readOnly"} 1\n')
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
})

test('a watch counts while it is open', async () => {
  const abort = new AbortController()
  const { response } = await api.ask('GET', '/api/v1/namespaces?watch=1', { signal: abort.signal })
  const where =
    'component="apiserver",group="",resource="namespaces",scope="cluster",subresource="",verb="WATCH",version="v1"'
  if (!('watch' in response.body)) throw new Error('no watch')
  const lines = response.body.watch[Symbol.asyncIterator]()
  await lines.next()
  expect(await scraped()).toContain(`apiserver_longrunning_requests{${where}} 1\n`)
  abort.abort()
  await lines.next()
  const text = await scraped()
  expect(text).toContain(`apiserver_longrunning_requests{${where}} 0\n`)
  expect(text).toContain(`apiserver_request_total{code="200",dry_run="",${where}} 1\n`)
})
