import { setImmediate as turn } from 'node:timers/promises'
import { ApiError } from '../../core/errors.ts'
import type { Clock, Ports } from '../../core/ports.ts'
import type { Backend } from '../../store/backend.ts'
import { ManualClock, manualPorts, seeded } from './store-clock.ts'
import { type Call, intercept } from './store-faults.ts'

/** A process whose calls travel to the backend and back when the scheduler says so, until it dies. */
export interface Process {
  readonly backend: Backend
  readonly ports: Ports
  /** Aborts when the process has died: nothing that it waits for will come. */
  readonly died: AbortSignal
}

interface Step {
  readonly owner: AbortController
  readonly run: () => Promise<void> | void
}

export interface Faults {
  /** Of all commits: how many never leave, because the process dies. */
  readonly death: number
  /** How many are held back for up to a second. */
  readonly stall: number
  /** How many lose their answer, before or after they took place. */
  readonly lostAnswer: number
  /** Of all other calls: before how many the process dies. Default: none. */
  readonly anyCall?: number
}

/** Far more than any history takes: somebody waits for what will not come. */
const MAX_STEPS = 20_000

export const FAULTS: Faults = { death: 0.03, stall: 0.07, lostAnswer: 0.05 }

/** Where a history takes place: its processes, and the time that passes for them. */
export interface Stage {
  readonly clock: Pick<Clock, 'after'>
  /** A number in [0, 1). */
  random(): number
  pick(count: number): number
  spawn(): Process
  /** What `done` comes to; rejects where somebody waits for what does not come. */
  run(done: Promise<unknown>): Promise<void>
}

/**
 * Many processes over one backend, in an order that depends on the seed alone. Each call is two steps, its way there,
 * where it takes place at once, and the answer's way back. Anything may happen between.
 */
export class Simulation implements Stage {
  readonly clock = new ManualClock()
  readonly random: () => number
  private readonly seed: number
  private readonly inner: Backend
  private readonly faults: Faults
  private readonly maxSteps: number
  private readonly steps: Step[] = []

  constructor(seed: number, inner: Backend, faults: Faults & { readonly maxSteps?: number }) {
    this.seed = seed
    this.inner = inner
    this.faults = faults
    this.maxSteps = faults.maxSteps ?? MAX_STEPS
    this.random = seeded(seed)
  }

  pick(count: number): number {
    return Math.floor(this.random() * count)
  }

  spawn(): Process {
    const life = new AbortController()
    const backend = intercept(this.inner, async (call) => await this.travel(life, call))
    return { backend, ports: manualPorts(this.clock, this.seed), died: life.signal }
  }

  /** Kills a process: what it has sent and did not arrive yet never will. */
  kill(process: Process): void {
    const dead = this.steps.filter(({ owner }) => owner.signal === process.died)
    for (const { owner } of dead) owner.abort()
    this.forget()
  }

  /** Runs until `done` settles; then, with `drain`, until all that is under way has arrived. */
  async run(done: Promise<unknown>): Promise<void> {
    let settled = false
    const end = done.finally(() => {
      settled = true
    })
    end.catch(() => {})
    for (let steps = 0; !settled && steps < this.maxSteps; steps++) {
      await turn()
      if (settled) break
      if (this.steps.length === 0 || this.random() < 0.01) this.pass()
      else await (this.steps.splice(this.pick(this.steps.length), 1)[0] as Step).run()
    }
    if (!settled) throw new Error(`seed ${this.seed}: somebody waits for what does not come`)
    await end
  }

  private pass(): void {
    this.clock.advance(Math.min(this.clock.untilNext() ?? 10, 50))
  }

  private forget(): void {
    for (let i = this.steps.length - 1; i >= 0; i--) if (this.steps[i]?.owner.signal.aborted) this.steps.splice(i, 1)
  }

  private async travel(owner: AbortController, call: Call): Promise<unknown> {
    const fate = call.method === 'commit' ? this.random() : 1
    const { death, stall, lostAnswer, anyCall } = this.faults
    if (owner.signal.aborted) return await new Promise(() => {})
    if (fate < death || (anyCall !== undefined && this.random() < anyCall)) {
      owner.abort()
      this.forget()
      return await new Promise(() => {})
    }
    if (fate < death + stall) {
      await new Promise<void>((resolve) => this.clock.after(this.pick(1_000), resolve))
    }
    const lost = fate >= death + stall && fate < death + stall + lostAnswer
    return await new Promise((resolve, reject) => {
      const arrive = (result: () => void) => {
        this.steps.push({ owner, run: result })
      }
      const run = async () => {
        if (lost && this.random() < 0.5) {
          arrive(() => reject(new ApiError('InternalError', 'the call was lost')))
          return
        }
        try {
          const result = await call.proceed()
          if (lost) arrive(() => reject(new ApiError('InternalError', 'the answer was lost')))
          else arrive(() => resolve(result))
        } catch (error) {
          arrive(() => reject(error))
        }
      }
      if (!owner.signal.aborted) this.steps.push({ owner, run })
    })
  }
}
