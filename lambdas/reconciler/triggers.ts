import { type FunctionTriggers, logFilter } from '../../core/triggers.ts'

const timeoutSeconds = 60

/** The controllers hear of every resource but events, leases and Wherry's own bookkeeping. */
export const reconcilerTriggers: FunctionTriggers = {
  timeoutSeconds,
  memoryMb: 512,
  stream: {
    filters: [logFilter({ prefix: 'log#' })],
    batchSize: 100,
    windowSeconds: 0,
    parallelization: 1,
    bisectOnError: true,
    retryAttempts: 10,
    reportsFailures: true,
    startFrom: 'TRIM_HORIZON'
  },
  timers: {
    batchSize: 10,
    maxConcurrency: 10,
    visibilitySeconds: timeoutSeconds + 10,
    maxReceives: 5,
    reportsFailures: true
  },
  tickMinutes: 1,
  tickInput: { wherry: 'tick' }
}
