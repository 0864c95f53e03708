import { expect, test } from '@jest/globals'
import { Client } from './client.ts'
import { ApiError } from './errors.ts'
import type { ApiRequest, ApiResponse, WatchEventType, WatchLine } from './http.ts'
import { configMaps } from './kinds/refs.ts'
import type { ConfigMap } from './kinds/types.ts'
import type { KubeObject } from './object.ts'
import type { Ports } from './ports.ts'
import { reflect } from './reflector.ts'
import { silentLog } from './system-ports.ts'

/** Timers run at once, so that pauses cost nothing; the life of a watch (minutes) is left alone. */
function testPorts(pauses: number[]): Ports {
  let now = 0
  return {
    log: silentLog,
    clock: {
      now: () => now,
      after: (delayMs, callback) => {
        if (delayMs > 60_000) return { cancel: () => {} }
        pauses.push(delayMs)
        now += delayMs
        const timer = setImmediate(callback)
        return { cancel: () => clearImmediate(timer) }
      }
    },
    random: { next: () => 0.5 },
    ids: { uid: () => 'uid', suffix: () => 'suffix' }
  }
}

const object = (name: string, version: number): KubeObject => ({ metadata: { name, resourceVersion: String(version) } })
const line = (type: WatchEventType, value: KubeObject): WatchLine => ({ type, object: value, bytes: () => Buffer.of() })
const payload = (status: number, value: unknown): ApiResponse => ({
  status,
  headers: {},
  body: { payload: { value, bytes: () => Buffer.of() } }
})
const list = (version: number, ...items: KubeObject[]) =>
  payload(200, { items, metadata: { resourceVersion: String(version) } })
const failure = (error: ApiError) => payload(error.code, error.toStatus())

async function* stream(batches: WatchLine[][], end?: Error): AsyncGenerator<readonly WatchLine[]> {
  for (const batch of batches) yield batch
  if (end !== undefined) throw end
}

/** Answers each request with the next answer of the script; ends the test's reflector after the last. */
async function run(script: (() => ApiResponse)[], onEvent?: () => void) {
  const asked: string[] = []
  const heard: string[] = []
  const pauses: number[] = []
  const end = new AbortController()
  const send = async (request: ApiRequest): Promise<ApiResponse> => {
    const watch = request.query.get('watch') === 'true'
    asked.push(watch ? `watch ${request.query.get('resourceVersion')}` : 'list')
    const next = script.shift()
    if (next === undefined) {
      end.abort()
      return failure(new ApiError('ServiceUnavailable', 'the script is over'))
    }
    return next()
  }
  const describe = (item: ConfigMap) => `${item.metadata.name}@${item.metadata.resourceVersion}`
  await reflect(new Client(send), configMaps, {
    onSync: (items) => heard.push(`sync ${items.map(describe).join(' ')}`),
    onEvents: (events) => {
      onEvent?.()
      for (const event of events) heard.push(`${event.type} ${describe(event.object)}`)
    },
    signal: end.signal,
    ports: testPorts(pauses)
  })
  return { asked, heard, pauses }
}

const watching = (batches: WatchLine[][], end?: Error) => (): ApiResponse => ({
  status: 200,
  headers: {},
  body: { watch: stream(batches, end) }
})

test('lists, watches from the list, and resumes from the last version or bookmark', async () => {
  const { asked, heard } = await run([
    () => list(5, object('a', 3), object('b', 5)),
    watching([[line('MODIFIED', object('a', 6)), line('DELETED', object('b', 7))], [line('BOOKMARK', object('', 20))]]),
    watching([[line('ADDED', object('c', 21))]], new Error('connection reset'))
  ])
  expect(asked).toEqual(['list', 'watch 5', 'watch 20', 'watch 21'])
  expect(heard).toEqual(['sync a@3 b@5', 'MODIFIED a@6', 'DELETED b@7', 'ADDED c@21'])
})

test('begins with a list again when the server no longer keeps the version, as an answer or within the stream', async () => {
  const expired = new ApiError('Expired', 'too old resource version: 5 (9)')
  const { asked, heard } = await run([
    () => list(5),
    () => failure(expired),
    () => list(9, object('a', 9)),
    watching([
      [line('ADDED', object('b', 10))],
      [line('ERROR', { ...expired.toStatus(), metadata: {} } as KubeObject)]
    ]),
    () => list(30)
  ])
  expect(asked).toEqual(['list', 'watch 5', 'list', 'watch 9', 'list', 'watch 30'])
  expect(heard).toEqual(['sync ', 'sync a@9', 'ADDED b@10', 'sync '])
})

test('pauses longer after each failure in a row', async () => {
  const refused = () => failure(new ApiError('ServiceUnavailable', 'starting'))
  const { asked, pauses } = await run([refused, refused, refused, () => list(1), watching([])])
  expect(asked).toEqual(['list', 'list', 'list', 'list', 'watch 1', 'watch 1'])
  expect(pauses).toEqual([200, 400, 800, 1600])
})

test('lists anew after a consumer failed', async () => {
  let failures = 1
  const { asked, heard } = await run(
    [
      () => list(1),
      watching([[line('ADDED', object('a', 2))]]),
      () => list(2, object('a', 2)),
      watching([[line('ADDED', object('b', 3))]])
    ],
    () => {
      if (failures-- > 0) throw new Error('bug')
    }
  )
  expect(asked).toEqual(['list', 'watch 1', 'list', 'watch 2', 'watch 3'])
  expect(heard).toEqual(['sync ', 'sync a@2', 'ADDED b@3'])
})
