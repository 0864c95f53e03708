import type { ApiResponse } from '../core/http.ts'
import type { FailingKey } from '../core/loop.ts'

/** Where the control plane tells what its controllers fail at; only who may get this path (system:masters) may ask. */
export const FAILING_PATH = '/wherry/failing'

export interface Failing {
  readonly controller: string
  readonly key: string
  readonly failures: number
  readonly error: string
}

/** A conflict or two is everyday; from here on something is wrong. */
const FROM = 5

export function failingPath(
  failing: () => readonly (FailingKey & { readonly controller: string })[]
): Readonly<Record<string, () => ApiResponse>> {
  return {
    [FAILING_PATH]: () => {
      const keys = failing().filter(({ failures }) => failures >= FROM)
      const value: Failing[] = keys.map(({ controller, key, failures, error }) => {
        return { controller, key, failures, error: error instanceof Error ? error.message : String(error) }
      })
      const bytes = Buffer.from(`${JSON.stringify(value)}\n`)
      return {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: { payload: { value, bytes: () => bytes } }
      }
    }
  }
}
