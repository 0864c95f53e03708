/** What client-go's workqueues tell of themselves, by the queue's name. */
import type { Metrics } from './metrics.ts'

export interface LoopMeter {
  added(depth: number): void
  retried(): void
  /** A run took so long, in seconds; so many keys wait. */
  ran(seconds: number, depth: number): void
}

/** Seconds, as client-go's. */
const BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10]

export function loopMeter(metrics: Metrics, name: string): LoopMeter {
  const labels = ['name']
  const family = (what: string, help: string) => ({ name: `workqueue_${what}`, help, labels })
  const adds = metrics.counter(family('adds_total', '[ALPHA] Total number of adds handled by workqueue'))(name)
  const depth = metrics.gauge(family('depth', '[ALPHA] Current depth of workqueue'))(name)
  const retries = metrics.counter(family('retries_total', '[ALPHA] Total number of retries handled by workqueue'))(name)
  const work = metrics.histogram({
    ...family('work_duration_seconds', '[ALPHA] How long in seconds processing an item from workqueue takes.'),
    buckets: BUCKETS
  })(name)
  return {
    added: (waiting) => {
      adds.inc()
      depth.set(waiting)
    },
    retried: () => retries.inc(),
    ran: (seconds, waiting) => {
      work.observe(seconds)
      depth.set(waiting)
    }
  }
}
