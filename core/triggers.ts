/** When the platform runs a function, as data: infra/ makes event source mappings and rules of it. */

/** The table's stream. Batches that fail are split, tried again, and what is left goes to the dead-letter queue. */
export interface StreamTrigger {
  /** Patterns of Lambda's event filtering; a record that matches one of them is delivered. */
  readonly filters: readonly object[]
  /** Records given to one run, at most. */
  readonly batchSize: number
  /** How long records gather before a run, in seconds. */
  readonly windowSeconds: number
  /** Runs at once for one shard of the stream. */
  readonly parallelization: number
  readonly bisectOnError: boolean
  readonly retryAttempts: number
  /** The function answers which records failed (ReportBatchItemFailures). */
  readonly reportsFailures: true
  readonly startFrom: 'TRIM_HORIZON'
}

export interface QueueTrigger {
  readonly batchSize: number
  /** Runs at once. */
  readonly maxConcurrency: number
  /** A message whose run died is delivered again after so many seconds: not less than the function's time. */
  readonly visibilitySeconds: number
  /** After so many deliveries the message goes to the dead-letter queue. */
  readonly maxReceives: number
  readonly reportsFailures: true
}

export interface FunctionTriggers {
  /** The function's own limits. */
  readonly timeoutSeconds: number
  readonly memoryMb: number
  readonly stream: StreamTrigger
  /** The cluster's queue of timers. */
  readonly timers?: QueueTrigger
  /** A rule of EventBridge calls the function with `tickInput` so often. */
  readonly tickMinutes: number
  readonly tickInput: { readonly wherry: 'tick' }
}

/** Records that were added to a log, by how its partition is called (store/backends/dynamodb-items.ts). */
export function logFilter(...partitions: readonly (string | { readonly prefix: string })[]): object {
  return { eventName: ['INSERT'], dynamodb: { Keys: { p: { S: partitions } } } }
}
