import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { ApiResponse } from '../../core/http.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'
import { health } from './health.ts'

let api: TestApi

beforeEach(async () => {
  api = await createTestApi()
})
afterEach(() => api.close())

const textOf = ({ status, body }: ApiResponse) => `${status} ${'text' in body ? body.text : ''}`
const asked = async (path: string) => textOf((await api.ask('GET', path)).response)

test.each([
  ['/livez', '200 ok'],
  ['/livez/', '404 404 page not found\n'],
  ['/livez/ping', '200 ok'],
  ['/livez/etcd?verbose', '200 ok'],
  ['/livez/poststarthook/rbac/bootstrap-roles', '200 ok'],
  ['/livez/nosuch', '404 404 page not found\n'],
  ['/livez/ping/x', '404 404 page not found\n'],
  ['/readyz?exclude=nosuch', '200 ok']
])('%s', async (path, text) => expect(await asked(path)).toBe(text))

test('each check is told where somebody wants to know', async () => {
  expect(await asked('/livez?verbose&exclude=etcd')).toMatch(
    /^200 \[\+\]ping ok\n\[\+\]log ok\n\[\+\]etcd excluded: ok\n[\s\S]*livez check passed\n$/
  )
  expect(await asked('/readyz?verbose&exclude=a&exclude=b')).toMatch(
    /\[\+\]shutdown ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\nreadyz check passed\n$/
  )
})

test('a store that fails, or says nothing, is ill', async () => {
  const after = (_: number, run: () => void) => {
    setImmediate(run)
    return { cancel: () => {} }
  }
  const clock = { now: () => 0, after }
  for (const version of [() => Promise.reject(new Error('gone')), () => new Promise<number>(() => {})]) {
    const sources = { store: { ...api.store, version } as never, clock }
    const get = async (path: string, query = '') =>
      textOf(
        (await health(
          { method: 'GET', path, query: new URLSearchParams(query), headers: {} },
          path,
          sources
        )) as ApiResponse
      )
    expect(await get('/livez')).toMatch(
      /^500 \[\+\]ping ok\n\[\+\]log ok\n\[-\]etcd failed: reason withheld\n[\s\S]*livez check failed\n$/
    )
    expect(await get('/livez', 'exclude=etcd')).toBe('200 ok')
    expect(await get('/livez/etcd')).toMatch(/^500 internal server error: (gone|the store does not answer)\n$/)
  }
})
