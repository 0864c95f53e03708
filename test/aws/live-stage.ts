import type { Ports } from '../../core/ports.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { Backend } from '../../store/backend.ts'
import { seeded } from '../contract/store-clock.ts'
import { type Call, intercept } from '../contract/store-faults.ts'
import type { Faults, Process, Stage } from '../contract/store-simulation.ts'

const LONGEST_RUN_MS = 60_000
/** A stalled writer comes back before or after others have fenced its number (300 ms). */
const LONGEST_STALL_MS = 800

/**
 * Processes that really run at the same time: each has a backend (a client) of its own, calls take the time that they
 * take, and writers die, stall and lose answers on the way. What a seed gives depends on the machine, too.
 */
export class LiveStage implements Stage {
  readonly clock = systemPorts(silentLog).clock
  readonly random: () => number
  private readonly ports: Ports = systemPorts(silentLog)
  private readonly backends: readonly Backend[]
  private readonly faults: Faults
  private spawned = 0

  constructor(seed: number, backends: readonly Backend[], faults: Faults) {
    this.random = seeded(seed)
    this.backends = backends
    this.faults = faults
  }

  pick(count: number): number {
    return Math.floor(this.random() * count)
  }

  spawn(): Process {
    const life = new AbortController()
    const inner = this.backends[this.spawned++ % this.backends.length] as Backend
    const backend = intercept(inner, async (call) => await this.travel(life, call))
    return { backend, ports: this.ports, died: life.signal }
  }

  async run(done: Promise<unknown>): Promise<void> {
    const late = new Promise<never>((_, reject) => {
      const timer = this.clock.after(LONGEST_RUN_MS, () => reject(new Error('somebody waits for what does not come')))
      const cancel = () => timer.cancel()
      done.then(cancel, cancel)
    })
    await Promise.race([done, late])
  }

  private async travel(owner: AbortController, { method, proceed }: Call): Promise<unknown> {
    const never = new Promise(() => {})
    if (owner.signal.aborted) return await never
    const { death, stall, lostAnswer, anyCall } = this.faults
    const fate = method === 'commit' ? this.random() : 1
    if (fate < death || (anyCall !== undefined && this.random() < anyCall)) {
      owner.abort()
      return await never
    }
    if (fate < death + stall) {
      await new Promise<void>((resolve) => this.clock.after(this.random() * LONGEST_STALL_MS, resolve))
    }
    const lost = fate >= death + stall && fate < death + stall + lostAnswer
    if (lost && this.random() < 0.5) throw new Error('the call was lost')
    const result = await proceed()
    if (owner.signal.aborted) return await never
    if (lost) throw new Error('the answer was lost')
    return result
  }
}
