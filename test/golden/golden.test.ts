import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { type ServedApi, serveApi } from '../served-api.ts'
import reached from './passed.json' with { type: 'json' }

// Replays what a real control plane answered. Raise the number in passed.json when more of it matches; never lower it.

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

test('the server answers as the recorded one did', async () => {
  const { pass, fail, report } = await replay()
  const differing = report.map((one) => one.case).join(', ')
  process.stdout.write(`golden: ${pass} of ${pass + fail} exchanges match; these cases differ: ${differing}\n`)
  expect(pass + fail).toBe(184)
  expect(pass).toBeGreaterThanOrEqual(reached.exchanges)
}, 120_000)

/** In a process of its own, as any client; it exits with 1 when anything differs. */
function replay(): Promise<Outcome> {
  const here = import.meta.dirname
  const server = `https://127.0.0.1:${served.port}`
  const args = [join(here, 'replay.mjs'), '--server', server, '--token', served.token, '--json']
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [...args, join(here, 'recorded.json')],
      { maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        try {
          resolve(JSON.parse(stdout) as Outcome)
        } catch {
          reject(new Error(`${error?.message ?? 'no answer'}\n${stderr}`))
        }
      }
    )
  })
}
