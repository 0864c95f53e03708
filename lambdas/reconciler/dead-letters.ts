/** What was given up: kept in the dead-letter queue `wherry-NAME-dead` until somebody has looked. */

/** A key of a controller that failed too often. */
export interface DeadKey {
  readonly controller: string
  readonly key: string
  readonly failures: number
  readonly error: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What the queue's messages mean; SQS and Lambda put some there themselves. */
export type DeadLetter =
  | ({ readonly kind: 'key' } & DeadKey)
  /** Changes that a function died of, again and again. */
  | { readonly kind: 'stream'; readonly function: string; readonly records: number; readonly error: string }
  /** A timer whose function died each time. */
  | { readonly kind: 'timer'; readonly controller: string; readonly key: string; readonly failures: number }
  | { readonly kind: 'unknown'; readonly body: string }

/** Keys that fail so often in a row are given up: with the pauses between (5 ms, doubled) eleven minutes. */
export const GIVE_UP_AFTER = 18

export function deadLetterBody(dead: DeadKey): string {
  return JSON.stringify({ dead })
}

export function readDeadLetter(body: string): DeadLetter {
  const value = parsed(body)
  const dead = value?.dead as DeadKey | undefined
  if (dead !== undefined) return { kind: 'key', ...dead }
  if (typeof value?.controller === 'string' && typeof value.key === 'string') {
    const { controller, key, failures } = value
    return { kind: 'timer', controller, key, failures: Number(failures ?? 0) }
  }
  const stream = value?.DDBStreamBatchInfo as { batchSize?: number } | undefined
  if (stream === undefined) return { kind: 'unknown', body }
  const request = value?.requestContext as { functionArn?: string; condition?: string } | undefined
  const name = request?.functionArn?.split(':')[6] ?? ''
  return { kind: 'stream', function: name, records: stream.batchSize ?? 0, error: request?.condition ?? '' }
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
