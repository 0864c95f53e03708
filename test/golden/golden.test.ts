import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { type ServedApi, serveApi } from '../served-api.ts'
import reached from './passed.json' with { type: 'json' }

// Replays what a real control plane answered. Raise a number in passed.json when more of it matches; never lower one.

interface Outcome {
  readonly pass: number
  readonly fail: number
  readonly report: readonly { readonly case: string }[]
}

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
    const { pass, fail, report } = await replay(recording)
    const differing = report.map((one) => one.case).join(', ') || 'none'
    const counted = `${pass} of ${pass + fail} exchanges match`
    process.stdout.write(`golden: ${recording}: ${counted}; these cases differ: ${differing}\n`)
    expect(pass + fail).toBe(exchanges)
    expect(pass).toBeGreaterThanOrEqual(match)
  },
  120_000
)

/** In a process of its own, as any client; it exits with 1 when anything differs. */
function replay(recording: string): Promise<Outcome> {
  const here = import.meta.dirname
  const server = `https://127.0.0.1:${served.port}`
  const args = [join(here, 'replay.mjs'), '--server', server, '--token', served.token, '--json']
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...args, join(here, recording)], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout) as Outcome)
      } catch {
        reject(new Error(`${error?.message ?? 'no answer'}\n${stderr}`))
      }
    })
  })
}
