import { kindTable } from '../../core/kinds/table.ts'
import { Store } from '../../store/store.ts'
import { replay } from '../golden/replay.ts'
import { describeWith } from '../requires.ts'
import { serveApi } from '../served-api.ts'
import { type EmulatorName, lacksForEmulator, startEmulator } from './emulator.ts'
import { connect, createTable } from './table.ts'

// The same control plane answers the same on DynamoDB as on the embedded store.

const EMULATOR: EmulatorName = 'ministack'

describeWith(lacksForEmulator(EMULATOR), 'recorded exchanges over DynamoDB', () => {
  test('match as many as over the embedded store', async () => {
    const emulator = await startEmulator(EMULATOR)
    try {
      await createTable(emulator.endpoint, 'cluster')
      const backend = connect({ endpoint: emulator.endpoint, table: 'cluster' })
      const indexes = (resource: string) => kindTable.findByStorage(resource)?.rules.indexes
      const onDynamo = await serveApi({ store: async (ports) => new Store({ backend, ports, indexes }) })
      const there = await replay(onDynamo).finally(() => onDynamo.close())
      const embedded = await serveApi()
      const here = await replay(embedded).finally(() => embedded.close())
      const differing = there.report
        .map((one) => one.case)
        .filter((name) => !here.report.some((one) => one.case === name))
      process.stdout.write(
        `golden: ${there.pass} on DynamoDB, ${here.pass} embedded; only there: ${differing.join()}\n`
      )
      expect(differing).toEqual([])
      expect(there.pass).toBeGreaterThanOrEqual(here.pass)
    } finally {
      await emulator.stop()
    }
  }, 300_000)
})
