import { describeWith } from '../requires.ts'
import { RETENTION, storeSuite } from '../contract/store-suite.ts'
import { intercept } from '../contract/store-faults.ts'
import { type Emulator, type EmulatorName, lacksForEmulator, startEmulator } from './emulator.ts'
import { clockPorts, connect, createTable } from './table.ts'

const NAMES: readonly EmulatorName[] = ['DynamoDB Local', 'ministack']

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
      many: 800,
      open: async (clock) => {
        const backend = connect({ ...(await freshTable()), ports: clockPorts(clock), retentionMs: RETENTION })
        return intercept(backend, async ({ proceed }) => await clock.hold(proceed))
      }
    })
  })
}
