import { type ServedApi, serveApi } from '../served-api.ts'
import reached from './passed.json' with { type: 'json' }
import { replay } from './replay.ts'

// Replays what a real control plane answered. Raise the number in passed.json when more of it matches; never lower it.

let served: ServedApi

beforeAll(async () => {
  served = await serveApi()
})

afterAll(async () => {
  await served.close()
})

test('the server answers as the recorded one did', async () => {
  const { pass, fail, report } = await replay(served)
  const differing = report.map((one) => one.case).join(', ')
  process.stdout.write(`golden: ${pass} of ${pass + fail} exchanges match; these cases differ: ${differing}\n`)
  expect(pass + fail).toBe(184)
  expect(pass).toBeGreaterThanOrEqual(reached.exchanges)
}, 120_000)
