import { timersSuite } from '../test/contract/timers-suite.ts'
import { fakePorts } from '../test/fake-ports.ts'
import { wheelTimers } from './timers.ts'

timersSuite(async () => {
  const { clock, advance } = fakePorts()
  const reach = async (done: () => boolean) => {
    while (!done()) await advance(100)
  }
  return { timers: wheelTimers(clock), now: () => clock.now(), pass: advance, reach }
})

test('nothing is left once all was delivered or stopped', async () => {
  const { clock, advance, timers: pending } = fakePorts()
  const timers = wheelTimers(clock)('a', () => {})
  timers.set('x', 10, 0)
  timers.set('x', 5, 0)
  timers.set('y', 50, 0)
  expect(pending()).toBe(2)
  await advance(10)
  expect(pending()).toBe(1)
  timers.stop()
  expect(pending()).toBe(0)
})
