import { execFile } from 'node:child_process'
import { join } from 'node:path'
import type { ServedApi } from '../served-api.ts'

export interface Outcome {
  readonly pass: number
  readonly fail: number
  /** The cases that differ; of each, the exchanges that do. `request`: "GET /api/v1/nodes". */
  readonly report: readonly { readonly case: string; readonly bad: readonly { readonly request: string }[] }[]
}

/** `token`: of a user in system:masters. */
export type Served = Pick<ServedApi, 'port' | 'token'> | { readonly server: string; readonly token: string }

/**
 * Plays the exchanges of a file of this folder in a process of its own, as any client; that exits with 1 when anything
 * differs.
 */
export function replay(served: Served, recording: string): Promise<Outcome> {
  const here = import.meta.dirname
  const server = 'server' in served ? served.server : `https://127.0.0.1:${served.port}`
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
