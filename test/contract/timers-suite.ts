import type { TimersFor } from '../../core/timers.ts'

export interface TimersFixture {
  readonly timers: TimersFor
  /** Milliseconds of the same clock as the delays. */
  now(): number
  /** Lets so much time pass, and whoever delivers keys deliver. */
  pass(ms: number): Promise<void>
  /** Lets time pass until it is so. */
  reach(done: () => boolean): Promise<void>
}

interface Delivery {
  readonly key: string
  readonly failures: number
  readonly at: number
}

/** What a loop may expect of the timers that it is given, wherever they keep its keys. */
export function timersSuite(open: () => Promise<TimersFixture>): void {
  const listen = async () => {
    const fixture = await open()
    const delivered: Delivery[] = []
    const loop = (name: string) =>
      fixture.timers(
        name,
        (key, failures) => void delivered.push({ key: `${name} ${key}`, failures, at: fixture.now() })
      )
    return { ...fixture, loop, delivered }
  }

  test('a key comes when its time has come, not before, with its failures', async () => {
    const { loop, delivered, reach, now } = await listen()
    const set = now()
    loop('a').set('default/web "é"\n', 1_500, 7)
    await reach(() => delivered.length > 0)
    expect(delivered[0]).toMatchObject({ key: 'a default/web "é"\n', failures: 7 })
    expect((delivered[0]?.at ?? 0) - set).toBeGreaterThanOrEqual(1_500)
  })

  test('of several times for a key the earliest counts', async () => {
    const { loop, delivered, reach, now } = await listen()
    const timers = loop('a')
    const set = now()
    for (const delay of [600_000, 1_000, 900_000]) timers.set('x', delay, 0)
    await reach(() => delivered.length > 0)
    expect(delivered[0]?.key).toBe('a x')
    expect((delivered[0]?.at ?? 0) - set).toBeLessThan(600_000)
  })

  test('keys that are due at once, or long from now, of loops of their own', async () => {
    const { loop, delivered, reach } = await listen()
    const keys = () => [...new Set(delivered.map(({ key }) => key))].sort()
    const [a, b] = [loop('a'), loop('b')]
    a.set('now', 0, 0)
    b.set('now', 0, 0)
    b.set('later', 3_300, 0)
    await reach(() => keys().length === 2)
    expect(keys()).toEqual(['a now', 'b now'])
    await reach(() => keys().length === 3)
    expect(keys()).toEqual(['a now', 'b later', 'b now'])
  })

  test('after stop nothing is delivered', async () => {
    const { loop, delivered, pass } = await listen()
    const timers = loop('a')
    timers.set('x', 1_000, 0)
    timers.stop()
    await pass(5_000)
    expect(delivered).toEqual([])
  })
}
