import { jest } from '@jest/globals'
import fc from 'fast-check'
import type { Emulator } from '../../cli/emulator/process.ts'
import type { Backend } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { call, insides, make, plain } from '../contract/store-calls.ts'
import { ManualClock } from '../contract/store-clock.ts'
import { intercept } from '../contract/store-faults.ts'
import { History } from '../contract/store-history.ts'
import { FAULTS } from '../contract/store-simulation.ts'
import { RETENTION, storeSuite } from '../contract/store-suite.ts'
import { describeWith } from '../requires.ts'
import { type EmulatorName, lacksForEmulator, startEmulator } from './emulator.ts'
import { expiry, RETENTION_MS } from './expiry.ts'
import { largeObjects } from './large-objects.ts'
import { LiveStage } from './live-stage.ts'
import { clockPorts, connect, createTable } from './table.ts'

const NAMES: readonly EmulatorName[] = ['DynamoDB Local', 'ministack']
const SEEDS = Number(process.env.STORE_SEEDS ?? 3)

jest.setTimeout(60_000)

for (const name of NAMES) {
  describeWith(lacksForEmulator(name), `the store over ${name}`, () => {
    let emulator: Emulator
    let tables = 0
    const freshTable = async () => {
      const table = `test-${++tables}`
      await createTable(emulator.endpoint, table)
      return { endpoint: emulator.endpoint, table }
    }

    beforeAll(async () => {
      emulator = await startEmulator(name)
    }, 240_000)
    afterAll(async () => {
      await emulator?.stop()
    })

    storeSuite({
      many: 300,
      open: async (clock) => {
        const backend = connect({ ...(await freshTable()), ports: clockPorts(clock), retentionMs: RETENTION })
        return intercept(backend, async ({ proceed }) => await clock.hold(proceed))
      }
    })

    test('answers every call as the reference does', async () => {
      const steps = fc.array(call, { minLength: 10, maxLength: 40 })
      const property = fc.asyncProperty(steps, async (calls) => {
        const memory: Backend = new MemoryBackend()
        const dynamo = connect({ ...(await freshTable()), ports: clockPorts({ now: () => 1_000 }) })
        try {
          await Promise.all([memory.reserve('r', 30, 0), dynamo.reserve('r', 30, 0)])
          for (const [at, step] of calls.entries()) {
            // DynamoDB forgets by itself, and tells no `current` where a number cannot be used.
            if (step.call === 'trim') continue
            const results = [await make(memory, step, at), await make(dynamo, step, at)].map((result) => plain(result))
            for (const result of results as ({ reason?: string; current?: unknown } | null)[]) {
              if (result?.reason === 'number') delete result.current
            }
            expect(results[1]).toEqual(results[0])
          }
          expect(await insides(dynamo)).toEqual(await insides(memory))
        } finally {
          await dynamo.close()
        }
      })
      await fc.assert(property, { numRuns: 5 })
    }, 60_000)

    test('holds random histories of many processes, in an order that a seed determines', async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const clock = new ManualClock()
        const backend = connect({ ...(await freshTable()), ports: clockPorts(clock) })
        const problems = await new History({ seed, faults: FAULTS, backend, writes: 6 }).run()
        expect([seed, problems]).toEqual([seed, []])
        await backend.close()
      }
    }, 120_000)

    test('holds histories of processes that really write at once, die, stall and lose answers', async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const table = await freshTable()
        const backends = Array.from({ length: 4 }, () => connect(table))
        const truth = connect(table)
        const stage = new LiveStage(seed, backends, FAULTS)
        const history = new History({ seed, faults: FAULTS, backend: truth, stage, writes: 12 })
        expect([seed, await history.run()]).toEqual([seed, []])
        for (const backend of [...backends, truth]) await backend.close()
      }
    }, 120_000)

    expiry(async (clock) => {
      const table = { ...(await freshTable()), ports: clockPorts(clock), retentionMs: RETENTION_MS }
      return () => connect(table)
    })

    largeObjects(async () => connect(await freshTable()))
  })
}
