import type { Leases } from '../../core/leases.ts'
import { type FakePorts, fakePorts, turn } from '../../test/fake-ports.ts'
import { exclusively } from './exclusive.ts'

function setUp(take: Leases['take']) {
  const ports: FakePorts = fakePorts()
  const given: string[] = []
  const leases: Leases = { take, give: async (name) => void given.push(name) }
  return { ports, given, parts: { leases, ports, holder: 'me' } }
}

test('a held key is refused, and its work not begun', async () => {
  const { parts, given } = setUp(async () => false)
  let begun = false
  const work = exclusively(parts, 'c default/a', async () => {
    begun = true
  })
  await expect(work).rejects.toMatchObject({ reason: 'Conflict' })
  expect([begun, given]).toEqual([false, []])
})

test('the lease is given back whether the work succeeds or fails, and no timer is left', async () => {
  const { parts, given, ports } = setUp(async () => true)
  expect(await exclusively(parts, 'a', async () => 5)).toBe(5)
  await expect(exclusively(parts, 'b', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect([given, ports.timers()]).toEqual([['a', 'b'], 0])
})

test('work that nobody waits for any more lets its lease run out', async () => {
  const taken: number[] = []
  const { parts, ports } = setUp(async () => taken.push(ports.clock.now()) > 0)
  const over = new AbortController()
  void exclusively({ ...parts, signal: over.signal }, 'a', () => new Promise(() => {}))
  await turn()
  await ports.advance(4_000)
  expect(taken).toHaveLength(2)
  over.abort()
  await ports.advance(60_000)
  expect([taken.length, ports.timers()]).toEqual([2, 0])
})

test.each([
  ['renewed in time it may act on', async () => true, 60_000, true],
  ['when another has taken it, it may not act', takenOnce(), 3_500, false],
  ['when nobody could renew it, it may act until shortly before its end', failing(), 6_900, true],
  ['when nobody could renew it, not after', failing(), 7_100, false]
] satisfies [string, Leases['take'], number, boolean][])('a long run: %s', async (_, take, ms, acts) => {
  const { parts, ports } = setUp(take)
  const end = Promise.withResolvers<void>()
  let check = () => {}
  const work = exclusively(parts, 'a', async (stillMine) => {
    check = stillMine
    await end.promise
  })
  await turn()
  for (let passed = 0; passed < ms; passed += 100) await ports.advance(100)
  if (acts) expect(check).not.toThrow()
  else expect(check).toThrow('run out')
  end.resolve()
  await work
  expect(check).toThrow('run out')
})

function takenOnce(): Leases['take'] {
  let times = 0
  return async () => ++times === 1
}

function failing(): Leases['take'] {
  let times = 0
  return async () => {
    if (++times > 1) throw new Error('no table')
    return true
  }
}
