import type { TimersFor } from '../../core/timers.ts'

export interface TimersFixture {
  readonly timers: TimersFor
  /** Milliseconds of the same clock as the delays. */
  now(): number
  /** Lets so much time pass, and whoever delivers keys deliver. */
  pass(ms: number): Promise<void>
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
    const { loop, delivered, pass, now } = await listen()
    const set = now()
    loop('a').set('default/web "é"\n', 1_500, 7)
    await pass(700)
    expect(delivered).toEqual([])
    await pass(4_000)
    expect(delivered[0]).toMatchObject({ key: 'a default/web "é"\n', failures: 7 })
    expect((delivered[0]?.at ?? 0) - set).toBeGreaterThanOrEqual(1_500)
  })

  test('of several times for a key the earliest counts', async () => {
    const { loop, delivered, pass } = await listen()
    const timers = loop('a')
    for (const delay of [60_000, 1_000, 90_000]) timers.set('x', delay, 0)
    await pass(5_000)
    expect(new Set(delivered.map(({ key }) => key))).toEqual(new Set(['a x']))
  })

  test('keys that are due at once, or long from now, of loops of their own', async () => {
    const { loop, delivered, pass } = await listen()
    const [a, b] = [loop('a'), loop('b')]
    a.set('now', 0, 0)
    b.set('now', 0, 0)
    b.set('later', 3_300, 0)
    await pass(2_000)
    expect(new Set(delivered.map(({ key }) => key))).toEqual(new Set(['a now', 'b now']))
    await pass(5_000)
    expect(new Set(delivered.map(({ key }) => key))).toEqual(new Set(['a now', 'b now', 'b later']))
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
