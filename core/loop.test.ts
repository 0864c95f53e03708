import { fakePorts, turn } from '../test/fake-ports.ts'
import { createLoop, type LoopOptions, persist } from './loop.ts'

function setUp(run: LoopOptions['run'], more: Partial<LoopOptions> = {}) {
  const ports = fakePorts()
  return { ports, loop: createLoop({ name: 'test', ports, workers: 2, run, ...more }) }
}

/** A run that stays under way until the test ends it. */
function held() {
  const started: string[] = []
  const ends: (() => void)[] = []
  const run = (key: string) => {
    started.push(key)
    return new Promise<undefined>((resolve) => ends.push(() => resolve(undefined)))
  }
  return { started, run, end: () => ends.shift()?.() }
}

test('a key that waits is added once; one that runs, runs once more', async () => {
  const { started, run, end } = held()
  const { loop } = setUp(run)
  for (const key of ['a', 'a', 'a']) loop.add(key)
  await turn()
  expect(started).toEqual(['a'])
  for (const key of ['a', 'a']) loop.add(key)
  await turn()
  expect(started).toEqual(['a'])
  end()
  await turn()
  expect(started).toEqual(['a', 'a'])
  end()
  await loop.idle()
  expect(started).toEqual(['a', 'a'])
})

test('only as many keys run at once as there are workers, in the order of their coming', async () => {
  const { started, run, end } = held()
  const { loop } = setUp(run)
  for (const key of ['a', 'b', 'c']) loop.add(key)
  await turn()
  expect(started).toEqual(['a', 'b'])
  expect(loop.size()).toBe(3)
  end()
  await turn()
  expect(started).toEqual(['a', 'b', 'c'])
})

test('a failing key is tried after 5, 10, 20 .. ms, is shown meanwhile, and is forgotten once it succeeds', async () => {
  const times: number[] = []
  let broken = true
  const { loop, ports } = setUp(async () => {
    times.push(ports.clock.now() - started)
    if (broken) throw new Error('no')
    return undefined
  })
  const started = ports.clock.now()
  loop.add('a')
  await turn()
  await ports.advance(35)
  expect(times).toEqual([0, 5, 15, 35])
  expect(loop.failing()).toMatchObject([{ key: 'a', failures: 4, retryAt: started + 75 }])
  broken = false
  await ports.advance(40)
  expect(loop.failing()).toEqual([])
  expect(ports.timers()).toBe(0)
})

test('the wait between tries has an upper bound', async () => {
  let runs = 0
  const { loop, ports } = setUp(
    async () => {
      runs += 1
      throw new Error('no')
    },
    { backoff: { baseMs: 100, maxMs: 400 } }
  )
  loop.add('a')
  await turn()
  await ports.advance(100 + 200 + 400 + 400)
  expect(runs).toBe(5)
  expect(ports.warnings.length).toBe(1)
})

test('of delayed additions the earliest counts, and a run may ask for another', async () => {
  const times: number[] = []
  const { loop, ports } = setUp(async () => {
    times.push(ports.clock.now() - started)
    return times.length === 1 ? { again: 1000 } : undefined
  })
  const started = ports.clock.now()
  loop.addAfter('a', 500)
  loop.addAfter('a', 200)
  loop.addAfter('a', 900)
  await ports.advance(5000)
  expect(times).toEqual([200, 1200])
})

test('a key whose run took long rests, and what comes meanwhile becomes one run', async () => {
  const times: number[] = []
  const { loop, ports } = setUp(
    async () => {
      times.push(ports.clock.now() - started)
      await new Promise<void>((resolve) => ports.clock.after(20, resolve))
      return undefined
    },
    { restRatio: 3 }
  )
  const started = ports.clock.now()
  loop.add('a')
  await turn()
  await ports.advance(20)
  for (let i = 0; i < 5; i += 1) {
    loop.add('a')
    await ports.advance(10)
  }
  await ports.advance(1000)
  expect(times).toEqual([0, 80])
})

test('after stop no run begins, and stop waits for the last one', async () => {
  const { started, run, end } = held()
  const { loop, ports } = setUp(run)
  loop.add('a')
  loop.addAfter('b', 10)
  await turn()
  let stopped = false
  const stopping = loop.stop().then(() => {
    stopped = true
  })
  loop.add('a')
  loop.add('c')
  await ports.advance(100)
  expect(stopped).toBe(false)
  end()
  await stopping
  await turn()
  expect(started).toEqual(['a'])
})

test('persist tries until it succeeds, or until it is told to stop', async () => {
  const ports = fakePorts()
  let tries = 0
  const aborter = new AbortController()
  const result = persist(ports, aborter.signal, async () => {
    tries += 1
    if (tries < 4) throw new Error('not yet')
    return 'done'
  })
  await turn()
  await ports.advance(5 + 10 + 20)
  expect(await result).toEqual({ value: 'done' })
  const never = persist(ports, aborter.signal, () => Promise.reject(new Error('no')))
  await turn()
  aborter.abort()
  expect(await never).toBeUndefined()
})
