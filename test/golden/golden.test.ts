import { type ServedApi, serveApi } from '../served-api.ts'
import reached from './passed.json' with { type: 'json' }
import { replay } from './replay.ts'

// Replays what a real control plane answered. Raise a number in passed.json when more of it matches; never lower one.

let served: ServedApi

beforeAll(async () => {
  served = await serveApi()
})

afterAll(async () => {
  await served.close()
})

test.each(Object.entries(reached))(
  'the server answers as the one of %s did',
  async (recording, { exchanges, match }) => {
    const { pass, fail, report } = await replay(served, recording)
    const differing = report.map((one) => one.case).join(', ') || 'none'
    const counted = `${pass} of ${pass + fail} exchanges match`
    process.stdout.write(`golden: ${recording}: ${counted}; these cases differ: ${differing}\n`)
    expect(pass + fail).toBe(exchanges)
    expect(pass).toBeGreaterThanOrEqual(match)
  },
  120_000
)
