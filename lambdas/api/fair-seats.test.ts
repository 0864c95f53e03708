import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { ApiResponse, UserInfo } from '../../core/http.ts'
import { createTestApi, requestOf, type TestApi } from '../../test/test-api.ts'
import { valueAnswer } from './answers.ts'
import { SEATS } from './fair-queue.ts'

let server: TestApi
let release: () => void
let begun = 0

/** Reading a status takes until `release`. */
beforeEach(async () => {
  begun = 0
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const slow = async (): Promise<ApiResponse> => {
    begun++
    await held
    return valueAnswer(200, {})
  }
  const authenticator = {
    authenticate: async ({ headers }: { headers: Readonly<Record<string, string>> }): Promise<UserInfo> => {
      return { username: headers['x-user'] ?? '', groups: (headers['x-groups'] ?? '').split(',') }
    }
  }
  server = await createTestApi({ authenticator, subresources: { status: slow } })
})
afterEach(() => server.close())

const ask = (user: string, path: string, groups = '') => {
  const { user: _, ...request } = requestOf('GET', path, { headers: { 'x-user': user, 'x-groups': groups } })
  return server.api.serve(request, {})
}
const SLOW = '/api/v1/namespaces/default/status'
const QUICK = '/api/v1/namespaces/default'
const turns = async () => {
  for (let i = 0; i < 50; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}

test('one who floods waits, and is told to come again; administrators, nodes and watches go on', async () => {
  const flood = Array.from({ length: SEATS.seats + SEATS.waiting }, () => ask('flood', SLOW))
  await turns()
  expect(begun).toBe(SEATS.seats)
  const refused = await ask('flood', SLOW)
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
  expect((await ask('admin', QUICK, 'system:masters')).status).toBe(200)
  expect((await ask('system:node:n1', QUICK, 'system:nodes')).status).toBe(200)
  expect((await ask('flood', `/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1`)).status).toBe(200)
  let quiet = 0
  const answered = ask('quiet', QUICK).then(({ status }) => {
    quiet = status
  })
  await turns()
  expect(quiet).toBe(0)
  release()
  await answered
  expect(quiet).toBe(200)
  const all = await Promise.all(flood)
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
})

test('who asks little comes before the rest of the flood', async () => {
  const order: string[] = []
  const many = Array.from({ length: SEATS.seats + 200 }, () => ask('flood', SLOW).then(() => order.push('flood')))
  await turns()
  const one = ask('quiet', QUICK).then(() => order.push('quiet'))
  release()
  await Promise.all([...many, one])
  expect(order.indexOf('quiet')).toBeLessThanOrEqual(SEATS.seats + 1)
})
