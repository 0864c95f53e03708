import type { Ports } from '../core/ports.ts'
import type { Backend } from './backend.ts'
import { expiredWatch, type ResourceState } from './resource.ts'
import type { StoreEvent, StoreNews } from './store.ts'

const READ_AHEAD = 500

interface Outside {
  readonly backend: Backend
  readonly ports: Ports
  readonly state: (resource: string) => Promise<ResourceState>
  /** Told the events of each look at once, those of one resource in order. */
  readonly tell: (events: readonly StoreEvent[]) => void
}

/**
 * What any process did to some resources, for the listeners of this process' store. It looks only when asked, so that
 * an idle process costs nothing and one that was frozen goes on where it stood. A look is one small read, of the bell's
 * counter: whoever writes to a followed resource writes to the bell in the same transaction.
 */
export class Follower implements StoreNews {
  private readonly outside: Outside
  private readonly bell: string
  /** By resource, the bell too: everything up to it was told. */
  private readonly positions: Map<string, number>
  /** Everything that was acknowledged before was told; milliseconds since 1970. */
  private heardAt: number
  private looking: Promise<boolean> | undefined
  /** Of this process, to followed resources. */
  private writes = 0
  /** Numbers of the last look that began, and that ended. */
  private begun = 0
  private ended = 0

  private constructor(positions: Map<string, number>, outside: Outside & { bell: string }, heardAt: number) {
    this.bell = outside.bell
    this.positions = positions
    this.outside = outside
    this.heardAt = heardAt
  }

  /** From now on: whoever reads the resources after this resolves misses nothing. */
  static async start(resources: readonly string[], outside: Outside & { bell: string }): Promise<Follower> {
    const at = outside.ports.clock.now()
    const names = [outside.bell, ...resources]
    const counters = await outside.backend.counters(names)
    return new Follower(new Map(names.map((name, i) => [name, counters[i]?.frontier ?? 0])), outside, at)
  }

  follows(resource: string): boolean {
    return this.positions.has(resource)
  }

  /** This process wrote to a followed resource: whoever asks next looks, and hears it in its order. */
  outdated(): void {
    this.heardAt = Number.NEGATIVE_INFINITY
    this.writes++
  }

  async hear(maxAgeMs: number): Promise<boolean> {
    const { clock } = this.outside.ports
    const since = clock.now() - maxAgeMs
    const begun = this.begun
    let changed = false
    // A look that others began may be older than what is asked for; a clock's tick may see several things happen.
    while (maxAgeMs > 0 ? this.heardAt <= since : this.ended <= begun) {
      this.looking ??= this.look(++this.begun).finally(() => {
        this.looking = undefined
      })
      if (await this.looking) changed = true
    }
    return changed
  }

  private async look(number: number): Promise<boolean> {
    const { ports, tell } = this.outside
    const at = ports.clock.now()
    const { writes } = this
    const [rung] = await this.news([this.bell])
    const names = [...this.positions.keys()].filter((name) => name !== this.bell)
    // Read after the bell, so that what it rang for is there.
    const parts = rung === undefined || rung.length === 0 ? [] : await this.news(names)
    // Only now, so that nothing is lost where a read failed.
    for (const [i, part] of parts.entries()) this.move(names[i] ?? '', part.length)
    this.move(this.bell, rung?.length ?? 0)
    if (writes === this.writes) this.heardAt = at
    this.ended = number
    const events = parts.flat().filter((event) => event !== undefined)
    if (events.length > 0) tell(events)
    return events.length > 0
  }

  private async news(names: readonly string[]): Promise<readonly (readonly (StoreEvent | undefined)[])[]> {
    const counters = await this.outside.backend.counters(names)
    return await Promise.all(
      names.map(async (name, i) => {
        const { reserved = 0, frontier = 0 } = counters[i] ?? {}
        const position = this.positions.get(name) ?? 0
        return reserved > position ? await this.read(name, { position, frontier }) : []
      })
    )
  }

  private move(resource: string, by: number): void {
    this.positions.set(resource, (this.positions.get(resource) ?? 0) + by)
  }

  /**
   * What follows the position without a gap; undefined for a fence. A number behind a gap was not acknowledged to
   * anybody, so that nobody can know of it. `frontier` was read before: what it has passed is in the log, or was trimmed.
   */
  private async read(
    resource: string,
    { position, frontier }: { position: number; frontier: number }
  ): Promise<readonly (StoreEvent | undefined)[]> {
    const state = await this.outside.state(resource)
    const events: (StoreEvent | undefined)[] = []
    for (;;) {
      const at = position + events.length
      const records = await this.outside.backend.readLog(resource, at, READ_AHEAD)
      const gap = records.findIndex(({ version }, i) => version !== at + 1 + i)
      const next = gap < 0 ? records : records.slice(0, gap)
      if (next.length === 0) {
        if (frontier > at) throw expiredWatch(position, (records[0]?.version ?? frontier + 1) - 1)
        return events
      }
      events.push(...(await state.events(next)))
      if (gap >= 0) return events
    }
  }
}
