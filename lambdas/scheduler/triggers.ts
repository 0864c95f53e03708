import { type FunctionTriggers, logFilter } from '../../core/triggers.ts'

/** The scheduler hears of pods and of the ledgers of nodes. Each five minutes it looks at what no change has helped. */
export const schedulerTriggers: FunctionTriggers = {
  timeoutSeconds: 60,
  memoryMb: 512,
  stream: {
    filters: [logFilter('log#pods', 'own-log#internal.wherry.dev/nodeledgers')],
    batchSize: 100,
    windowSeconds: 0,
    parallelization: 1,
    bisectOnError: true,
    retryAttempts: 10,
    reportsFailures: true,
    startFrom: 'TRIM_HORIZON'
  },
  tickMinutes: 5,
  tickInput: { wherry: 'tick' }
}
