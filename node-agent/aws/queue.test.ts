import { expect, test } from '@jest/globals'
import { sleep } from '../../core/ports.ts'
import { silentLog } from '../../core/system-ports.ts'
import { fakePorts } from '../../test/fake-ports.ts'
import { listenToQueue, type Queue, type QueueMessage } from './queue.ts'

type Step = readonly unknown[] | Error

/** Plays the answers of a queue, one for each poll; then the listener is told to stop. */
async function play(steps: readonly Step[], options: { removing?: Error } = {}) {
  const end = new AbortController()
  const heard: string[] = []
  const removed: string[] = []
  const waits: number[] = []
  const ports = fakePorts()
  const clock = {
    now: () => ports.clock.now(),
    after: (ms: number, callback: () => void) => {
      waits.push(ms)
      const timer = setImmediate(callback)
      return { cancel: () => clearImmediate(timer) }
    }
  }
  let at = 0
  const queue: Queue = {
    url: 'q',
    receive: async () => {
      const step = steps[at++]
      if (step === undefined) {
        end.abort()
        return []
      }
      if (step instanceof Error) throw step
      return step.map((body, index): QueueMessage => {
        const text = typeof body === 'string' ? body : JSON.stringify(body)
        return { id: `${at}.${index}`, handle: `h${at}.${index}`, body: text }
      })
    },
    remove: async (messages) => {
      if (options.removing !== undefined) throw options.removing
      removed.push(...messages.map(({ id }) => id))
    }
  }
  await listenToQueue(queue, {
    ports: { ...ports, clock, log: silentLog, random: { next: () => 0.5 } },
    signal: end.signal,
    onRing: (resources) => heard.push(`ring ${resources.join(' ')}`),
    onRelay: ({ id, path }) => heard.push(`relay ${id} ${path}`),
    onRecovery: () => heard.push('recovery')
  })
  return { heard, removed, waits }
}

test('rings of one poll are one ring, relays are passed on, and all are removed', async () => {
  const relay = { id: 'r1', path: '/pods', until: 5 }
  const messages = [{ resources: ['pods', 'nodes'] }, { relay }, { resources: ['pods'] }]
  const { heard, removed } = await play([[], messages, [{ resources: ['services'] }]])
  expect(heard).toEqual(['relay r1 /pods', 'ring pods nodes', 'ring services'])
  expect(removed).toEqual(['2.0', '2.1', '2.2', '3.0'])
})

test.each([['no JSON'], [{ relay: { id: 'r' } }], ['null'], [{}], [{ resources: 'pods' }], ['3']])(
  'what nobody understands is removed: %j',
  async (message) => {
    const { heard, removed } = await play([[message]])
    expect(heard).toEqual([])
    expect(removed).toEqual(['1.0'])
  }
)

test('while it cannot be read it is tried again in growing pauses; after that everything may have changed', async () => {
  const throttled = new Error('Throttling')
  const { heard, waits } = await play([...Array(8).fill(throttled), [{ resources: ['pods'] }], throttled, []])
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 500])
  expect(heard).toEqual(['recovery', 'ring pods', 'recovery'])
})

test('what cannot be removed is no reason to stop', async () => {
  const { heard, waits } = await play([[{ resources: ['pods'] }], [{ resources: ['nodes'] }]], {
    removing: new Error('Throttling')
  })
  expect(heard).toEqual(['ring pods', 'ring nodes'])
  expect(waits).toEqual([])
})

test('it ends at once when it is told to, in the middle of a poll or of a pause', async () => {
  const ports = fakePorts()
  const listener = { ports, onRing: () => {}, onRelay: () => {}, onRecovery: () => {} }
  for (const failing of [false, true]) {
    const end = new AbortController()
    const queue: Queue = {
      url: 'q',
      receive: async (signal) => {
        setImmediate(() => end.abort())
        if (failing) throw new Error('away')
        await sleep(ports.clock, 20_000, signal)
        throw new Error('aborted')
      },
      remove: async () => {}
    }
    await listenToQueue(queue, { ...listener, signal: end.signal })
  }
})
