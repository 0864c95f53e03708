import { kindTable } from '../../core/kinds/table.ts'
import { Store } from '../../store/store.ts'
import recordings from '../golden/passed.json' with { type: 'json' }
import { replay } from '../golden/replay.ts'
import { describeWith } from '../requires.ts'
import { serveApi } from '../served-api.ts'
import { type EmulatorName, lacksForEmulator, startEmulator } from './emulator.ts'
import { connect, createTable } from './table.ts'

// The same control plane answers the same on DynamoDB as on the embedded store.

const EMULATOR: EmulatorName = 'ministack'
/** All of them take minutes. */
const RECORDINGS = process.env.GOLDEN === 'all' ? Object.keys(recordings) : ['recorded.json']

describeWith(lacksForEmulator(EMULATOR), 'recorded exchanges over DynamoDB', () => {
  test('match as many as over the embedded store', async () => {
    const emulator = await startEmulator(EMULATOR)
    try {
      await createTable(emulator.endpoint, 'cluster')
      const backend = connect({ endpoint: emulator.endpoint, table: 'cluster' })
      const indexes = (resource: string) => kindTable.findByStorage(resource)?.rules.indexes
      const onDynamo = await serveApi({ store: async (ports) => new Store({ backend, ports, indexes }) })
      const embedded = await serveApi()
      for (const recording of RECORDINGS) {
        const [there, here] = [await replay(onDynamo, recording), await replay(embedded, recording)]
        const matching = `${there.pass} of ${there.pass + there.fail} on DynamoDB, ${here.pass} embedded`
        const known = new Set(here.report.map((one) => one.case))
        const differing = there.report.map((one) => one.case).filter((name) => !known.has(name))
        process.stdout.write(`golden: ${recording}: ${matching}; only there: ${differing.join() || 'none'}\n`)
        expect(differing).toEqual([])
        expect(there.pass).toBeGreaterThanOrEqual(here.pass)
      }
      await onDynamo.close()
      await embedded.close()
    } finally {
      await emulator.stop()
    }
  }, 300_000)
})
