import { type Outcome, playRollout } from './rollout.ts'

/** Raise for a longer hunt: SIM_SEEDS=2000 ./wherry test test/sim/rollout */
const SEEDS = Number(process.env.SIM_SEEDS ?? 60)
const FIRST = Number(process.env.SIM_FIRST ?? 1)

test('without faults a life takes little time', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const outcome = await playRollout(seed, { rate: 0, budget: 0 })
    expect([seed, outcome.problems]).toEqual([seed, []])
    expect(outcome.tookMs).toBeLessThan(120_000)
  }
}, 120_000)

test('any number of faults at random calls', async () => {
  const outcomes: Outcome[] = []
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const outcome = await playRollout(seed, { rate: 0.004, budget: 1 + (seed % 12) })
    expect([seed, outcome.problems]).toEqual([seed, []])
    outcomes.push(outcome)
  }
  expect(outcomes.filter(({ faults }) => faults.length > 0).length).toBeGreaterThan(SEEDS / 2)
}, 600_000)

test('one fault at any of the calls', async () => {
  const faults = ['throw before', 'throw after', 'kill before', 'kill after', 'hang'] as const
  const { calls } = await playRollout(1, { rate: 0, budget: 0 })
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const call = 1 + ((seed * 7919) % calls)
    const fault = faults[seed % faults.length] ?? 'kill after'
    const outcome = await playRollout(1, { rate: 0, budget: 0, at: { call, fault } })
    expect([seed, outcome.faults, outcome.problems]).toEqual([seed, outcome.faults, []])
  }
}, 600_000)
