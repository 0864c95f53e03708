import type { TimersFor } from '../../core/timers.ts'
import { timersSuite } from '../../test/contract/timers-suite.ts'
import { type FakePorts, fakePorts } from '../../test/fake-ports.ts'
import { QueueTimers, type TimerQueue } from './queue-timers.ts'

interface Sent {
  readonly body: string
  readonly delaySeconds: number
}

function recorder(): TimerQueue & { readonly sent: Sent[] } {
  const sent: Sent[] = []
  return { sent, send: async (messages) => void sent.push(...messages) }
}

function open(ports: FakePorts, queue: TimerQueue, longestSeconds?: number): QueueTimers {
  const { clock, log } = ports
  return new QueueTimers({ clock, log, queue, ...(longestSeconds === undefined ? {} : { longestSeconds }) })
}

/** Each message is brought to other timers, as to another process. Messages wait for two seconds at most. */
timersSuite(async () => {
  const ports = fakePorts()
  const { clock } = ports
  const loops: { name: string; deliver: Parameters<TimersFor>[1]; stopped: boolean }[] = []
  const queue: TimerQueue = {
    send: async (messages) => {
      for (const { body, delaySeconds } of messages)
        clock.after(delaySeconds * 1000, () => {
          const next = open(ports, queue, 2)
          for (const { name, deliver, stopped } of loops) if (!stopped) next.forLoop(name, deliver)
          next.receive(body)
          void next.flush()
        })
    }
  }
  const timers: TimersFor = (name, deliver) => {
    const loop = { name, deliver, stopped: false }
    loops.push(loop)
    return {
      set: (key, delayMs, failures) => {
        const first = open(ports, queue, 2)
        first.forLoop(name, deliver).set(key, delayMs, failures)
        void first.flush()
      },
      stop: () => {
        loop.stopped = true
      }
    }
  }
  const reach = async (done: () => boolean) => {
    while (!done()) await ports.advance(100)
  }
  return { timers, now: () => clock.now(), pass: (ms) => ports.advance(ms), reach }
})

test('what is due within a moment is waited for; the rest goes into the queue, each key once', async () => {
  const ports = fakePorts()
  const queue = recorder()
  const timers = open(ports, queue)
  const delivered: string[] = []
  const loop = timers.forLoop('a', (key) => void delivered.push(key))
  loop.set('soon', 200, 1)
  loop.set('later', 300, 2)
  loop.set('later', 5_001, 3)
  loop.set('far', 3_600_000, 0)
  expect(timers.waits()).toBe(true)
  await ports.advance(200)
  expect([delivered, timers.waits()]).toEqual([['soon'], true])
  await ports.advance(100)
  expect([delivered, timers.waits()]).toEqual([['soon', 'later'], false])
  loop.set('later', 1_001, 4)
  await timers.flush()
  const far = ports.clock.now() + 3_600_000 - 300
  expect(queue.sent.map(({ body, delaySeconds }) => [JSON.parse(body), delaySeconds])).toEqual([
    [{ controller: 'a', key: 'far', failures: 0, due: far }, 900],
    [{ controller: 'a', key: 'later', failures: 4 }, 2]
  ])
  loop.set('after the end', 0, 0)
  await ports.advance(10_000)
  expect([delivered, ports.timers()]).toEqual([['soon', 'later'], 0])
})

test.each(['', 'null', '{"controller":"a"}', '{"controller":"gone","key":"x"}', '{"controller":"a","key":1}'])(
  'the message %j is nobody’s, and no reason to fail',
  async (body) => {
    const ports = fakePorts()
    const timers = open(ports, recorder())
    const delivered: string[] = []
    timers.forLoop('a', (key) => void delivered.push(key))
    timers.receive(body)
    expect([delivered, ports.warnings.length]).toEqual([[], 1])
  }
)
