import { Client } from '../../core/client.ts'
import { ApiError } from '../../core/errors.ts'
import type { Change } from '../../core/feed.ts'
import type { Leases } from '../../core/leases.ts'
import { type FakePorts, fakePorts, turn } from '../../test/fake-ports.ts'
import type { Controller } from './controller.ts'
import { GIVE_UP_AFTER, readDeadLetter } from './dead-letters.ts'
import { createReconcilerFunction, type FunctionOptions } from './function.ts'

interface Message {
  readonly body: string
  readonly delaySeconds: number
}

function memoryLeases(ports: FakePorts): Leases & { readonly held: Map<string, { holder: string; until: number }> } {
  const held = new Map<string, { holder: string; until: number }>()
  return {
    held,
    take: async (name, { holder, ttlMs }) => {
      const now = ports.clock.now()
      const other = held.get(name)
      if (other !== undefined && other.holder !== holder && other.until > now) return false
      held.set(name, { holder, until: now + ttlMs })
      return true
    },
    give: async (name, holder) => {
      if (held.get(name)?.holder === holder) held.delete(name)
    }
  }
}

function setUp(controllers: readonly Controller[], more: Partial<FunctionOptions> = {}) {
  const ports = fakePorts()
  const sent: Message[] = []
  const dead: Message[] = []
  const leases = memoryLeases(ports)
  const client = new Client(() => Promise.reject(new Error('nobody calls')))
  const made = createReconcilerFunction({
    clients: () => client,
    reader: client,
    ports,
    config: { caCertificate: '', kinds: () => [] },
    controllers: () => controllers,
    changes: async (resource, versions) => versions.map((version) => changeAt(resource, version)),
    leases,
    timers: { send: async (messages) => void sent.push(...messages) },
    dead: { send: async (messages) => void dead.push(...messages) },
    version: '1',
    ...more
  })
  const end = ports.clock.now() + 60_000
  const invocation = { remainingMs: () => end - ports.clock.now() }
  const waiting = () => sent.map(({ body, delaySeconds }) => ({ ...JSON.parse(body), delaySeconds }))
  /** What the invocation comes to, while time passes. */
  const run = async (started: Promise<void>) => {
    let settled = false
    const done = started.finally(() => {
      settled = true
    })
    done.catch(() => {})
    for (let round = 0; !settled && round < 2_000; round++) {
      await turn()
      if (!settled) await ports.advance(50)
    }
    await done
  }
  return { ports, made, invocation, sent, dead, leases, waiting, run }
}

function changeAt(resource: string, version: number): Change {
  return { resource, key: `k${version}`, type: 'updated', version, object: { metadata: { name: `k${version}` } } }
}

function recorder(more: Partial<Controller> = {}): Controller & { readonly runs: string[] } {
  const runs: string[] = []
  return {
    name: 'recorder',
    runs,
    watches: { pods: (changes) => changes.map(({ key }) => key) },
    start: async () => [],
    reconcile: async (key) => {
      runs.push(key)
      return undefined
    },
    ...more
  }
}

test('changes are read, and their keys run until nothing is left to do now', async () => {
  const runs: string[] = []
  const controller = recorder({
    reconcile: async (key) => {
      runs.push(key)
      return runs.length < 3 ? { again: 100 } : { again: 20_000 }
    }
  })
  const { made, invocation, run, waiting, ports } = setUp([controller])
  await run(made.stream([{ resource: 'pods', version: 7 }], invocation))
  expect(runs).toEqual(['k7', 'k7', 'k7'])
  expect(waiting()).toEqual([{ controller: 'recorder', key: 'k7', failures: 0, delaySeconds: 20 }])
  expect(ports.timers()).toBe(0)
})

test('a timer that failed before goes on counting, and is given up with its error at last', async () => {
  const broken = recorder({ reconcile: () => Promise.reject(new ApiError('Invalid', 'never')) })
  const { made, invocation, run, waiting, dead } = setUp([broken])
  const body = (failures: number) => JSON.stringify({ controller: 'recorder', key: 'a', failures })
  await run(made.timers([{ body: body(9), receives: 1 }], invocation))
  expect(waiting()).toEqual([{ controller: 'recorder', key: 'a', failures: 10, delaySeconds: 3 }])
  await run(made.timers([{ body: body(GIVE_UP_AFTER - 1), receives: 1 }], invocation))
  expect(dead.map(({ body }) => readDeadLetter(body))).toMatchObject([
    { kind: 'key', controller: 'recorder', key: 'a', failures: GIVE_UP_AFTER, error: 'ApiError: never' }
  ])
  expect(waiting()).toHaveLength(1)
})

test('a record that cannot be read, or whose keys cannot be found, holds up no other, and is tried again by its number', async () => {
  let readable = false
  const good = recorder()
  const picky = recorder({
    name: 'picky',
    watches: {
      pods: (changes) => {
        if (!readable && changes.some(({ key }) => key === 'k3')) throw new TypeError('what is this?')
        return changes.map(({ key }) => key)
      }
    }
  })
  const { made, invocation, run, waiting } = setUp([good, picky], {
    changes: async (resource, versions) => {
      if (!readable && versions.includes(2)) throw new Error('a chunk is lost')
      return versions.map((version) => changeAt(resource, version))
    }
  })
  const numbers = [1, 2, 3, 4].map((version) => ({ resource: 'pods', version }))
  await run(made.stream(numbers, invocation))
  expect([good.runs, picky.runs]).toEqual([
    ['k1', 'k3', 'k4'],
    ['k1', 'k4']
  ])
  expect(new Set(waiting().map(({ controller, key }) => `${controller}:${key}`))).toEqual(
    new Set(['recorder: change pods 2', 'picky: change pods 2', 'picky: change pods 3'])
  )
  readable = true
  const messages = waiting().map((message) => ({ body: JSON.stringify(message), receives: 1 }))
  await run(made.timers(messages, invocation))
  expect([good.runs.slice(3), picky.runs.slice(2).sort()]).toEqual([['k2'], ['k2', 'k3']])
})

test('where the queue of timers fails, the batch has failed', async () => {
  const controller = recorder({ reconcile: async () => ({ again: 60_000 }) })
  const { made, invocation, run } = setUp([controller], {
    timers: { send: () => Promise.reject(new Error('no queue')) }
  })
  await expect(run(made.stream([{ resource: 'pods', version: 1 }], invocation))).rejects.toThrow('no queue')
})

test('when time runs out, what waits is handed over, and what runs counts as failed', async () => {
  const started: string[] = []
  const slow = recorder({
    workers: 1,
    reconcile: (key) => {
      started.push(key)
      return new Promise(() => {})
    }
  })
  const { made, invocation, run, waiting } = setUp([slow])
  await run(
    made.stream(
      [1, 2].map((version) => ({ resource: 'pods', version })),
      invocation
    )
  )
  expect(started).toEqual(['k1'])
  expect(waiting().sort((a, b) => (a.key < b.key ? -1 : 1))).toEqual([
    { controller: 'recorder', key: 'k1', failures: 1, delaySeconds: 1 },
    { controller: 'recorder', key: 'k2', failures: 0, delaySeconds: 0 }
  ])
})

test('where it is not known in time whom changes concern, they have to come again', async () => {
  const lost = recorder({ watches: { pods: () => new Promise<string[]>(() => {}) } })
  const { made, invocation, run } = setUp([lost])
  await expect(run(made.stream([{ resource: 'pods', version: 1 }], invocation))).rejects.toMatchObject({
    reason: 'Timeout'
  })
})

test('a message that lost its function runs alone; its companions go round once more', async () => {
  const controller = recorder()
  const { made, invocation, run, waiting } = setUp([controller])
  const message = (key: string, receives: number) => {
    return { body: JSON.stringify({ controller: 'recorder', key, failures: 0 }), receives }
  }
  await run(made.timers([message('a', 1), message('b', 3), message('c', 2)], invocation))
  expect(controller.runs).toEqual(['b'])
  expect(waiting()).toEqual([
    { controller: 'recorder', key: 'a', failures: 0, delaySeconds: 1 },
    { controller: 'recorder', key: 'c', failures: 1, delaySeconds: 1 }
  ])
})

test('an exclusive key that another holds is tried later; one whose holder died, once its time is over', async () => {
  const controller = recorder({ exclusive: true })
  const { made, invocation, run, leases, ports, waiting } = setUp([controller])
  await leases.take('recorder k1', { holder: 'another', ttlMs: 10_000 })
  await run(made.stream([{ resource: 'pods', version: 1 }], invocation))
  expect(controller.runs).toEqual([])
  expect(waiting()).toMatchObject([{ controller: 'recorder', key: 'k1' }])
  await ports.advance(10_000)
  const [message] = waiting()
  await run(made.timers([{ body: JSON.stringify(message), receives: 1 }], invocation))
  expect(controller.runs).toEqual(['k1'])
  expect(leases.held.size).toBe(0)
})

test('each minute asks for what has no change; its controller’s timers are not kept', async () => {
  const runs: string[] = []
  const node = recorder({
    name: 'node',
    everyMinute: async () => ['n1'],
    reconcile: async (key) => {
      runs.push(key)
      return { again: 40_000 }
    }
  })
  const { made, invocation, run, waiting } = setUp([node])
  await run(made.tick(invocation))
  await run(made.tick(invocation))
  expect([runs, waiting()]).toEqual([['n1', 'n1'], []])
})

test('everything is looked at when the code is new, then each day, by one process; a dead one is followed soon', async () => {
  let looks = 0
  const controller = recorder({
    start: async () => {
      looks += 1
      return []
    }
  })
  const { made, run, ports, leases } = setUp([controller])
  const tick = () => {
    const end = ports.clock.now() + 60_000
    return run(made.tick({ remainingMs: () => end - ports.clock.now() }))
  }
  await tick()
  await tick()
  expect(looks).toBe(1)
  await ports.advance(86_400_000)
  await tick()
  expect(looks).toBe(2)
  await leases.take('look 2', { holder: 'another', ttlMs: 300_000 })
  expect(leases.held.size).toBe(2)
})
