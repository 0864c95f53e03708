import { expect, test } from '@jest/globals'
import { CAUGHT_UP, Client } from './client.ts'
import { type Doorbell, Doorbells } from './doorbell.ts'
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
async function run(script: (() => ApiResponse)[], onEvent?: () => void, doorbell?: Doorbell) {
  const asked: string[] = []
  const heard: string[] = []
  const pauses: number[] = []
  const end = new AbortController()
  const send = async (request: ApiRequest): Promise<ApiResponse> => {
    const watch = request.query.get('watch') === 'true'
    const until = request.query.has('wherryUntil') ? ' until now' : ''
    asked.push(watch ? `watch ${request.query.get('resourceVersion')}${until}` : 'list')
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
    ...(doorbell === undefined ? {} : { doorbell }),
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

/** The bookmark of a watch that has told everything. */
const caughtUp = (version: number) =>
  line('BOOKMARK', {
    metadata: { name: '', resourceVersion: String(version), annotations: { [CAUGHT_UP]: 'true' } }
  })

test('with a doorbell it lists once, and asks for what is new after each ring only', async () => {
  const bells = new Doorbells()
  const ringLater = () => setImmediate(() => bells.ring(['configmaps']))
  const { asked, heard, pauses } = await run(
    [
      () => {
        ringLater()
        return list(5, object('a', 3))
      },
      () => {
        setImmediate(() => {
          // Neither is for it; the third is, and a fourth that comes before it has asked adds nothing.
          bells.ring(['pods', 'apps/configmaps'])
          bells.ring(['configmaps', 'pods'])
          bells.ring(['configmaps'])
        })
        return watching([[line('MODIFIED', object('a', 6))], [caughtUp(7)]])()
      },
      () => {
        ringLater()
        return watching([[caughtUp(9)]])()
      }
    ],
    undefined,
    bells
  )
  expect(asked).toEqual(['list', 'watch 5 until now', 'watch 7 until now', 'watch 9 until now'])
  expect(heard).toEqual(['sync a@3', 'MODIFIED a@6'])
  expect(pauses).toEqual([])
})

test('a ring during a request is not lost, and an answer that was cut off is asked for again', async () => {
  const bells = new Doorbells()
  const { asked, heard } = await run(
    [
      () => {
        bells.ringAll()
        return list(5)
      },
      () => {
        bells.ringAll()
        return watching([[caughtUp(6)]])()
      },
      watching([[line('ADDED', object('a', 7))]]),
      watching([[line('ADDED', object('b', 8)), line('BOOKMARK', object('', 8))]]),
      watching([], new Error('connection reset'))
    ],
    undefined,
    bells
  )
  const watches = [5, 6, 7, 8, 8].map((version) => `watch ${version} until now`)
  expect(asked).toEqual(['list', ...watches])
  expect(heard).toEqual(['sync ', 'ADDED a@7', 'ADDED b@8'])
})

test('without a ring it asks after some minutes', async () => {
  const waits: number[] = []
  const end = new AbortController()
  const asked: string[] = []
  const ports = testPorts([])
  const clock = {
    now: () => 0,
    after: (delayMs: number, callback: () => void) => {
      waits.push(delayMs)
      const timer = delayMs > 100_000 && waits.length === 1 ? setImmediate(callback) : undefined
      return { cancel: () => clearImmediate(timer) }
    }
  }
  const send = async ({ query }: ApiRequest): Promise<ApiResponse> => {
    asked.push(query.has('watch') ? 'watch' : 'list')
    if (!query.has('watch')) return list(5)
    setImmediate(() => end.abort())
    return watching([[caughtUp(5)]])()
  }
  const quiet = { onSync: () => {}, onEvents: () => {} }
  const doorbell = new Doorbells()
  await reflect(new Client(send), configMaps, { ...quiet, doorbell, signal: end.signal, ports: { ...ports, clock } })
  expect(asked).toEqual(['list', 'watch'])
  expect(waits[0]).toBe(1_800_000)
})
