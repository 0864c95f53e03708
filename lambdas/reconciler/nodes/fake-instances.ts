/** A platform in memory, for tests: machines run from the start, and stay in the list for a while after their end. */
import type { Clock } from '../../../core/ports.ts'
import { type Instance, type Instances, type LaunchRequest, NoCapacity } from './instances.ts'

export interface FakeInstances extends Instances {
  /** Every launch that made an instance, in order. */
  readonly launched: readonly LaunchRequest[]
  readonly terminated: readonly string[]
  /** Types that it has none of. */
  readonly lacking: Set<string>
  /** As if somebody had terminated it by hand, and the platform had forgotten it. */
  vanish(id: string): void
}

export function fakeInstances({ clock }: { readonly clock: Clock }): FakeInstances {
  const all = new Map<string, Instance>()
  const launched: LaunchRequest[] = []
  const terminated: string[] = []
  const lacking = new Set<string>()
  return {
    launched,
    terminated,
    lacking,
    vanish: (id) => void all.delete(id),
    launch: async ({ id, type, zone }) => {
      const known = [...all.values()].find(({ launch }) => launch === id)
      if (known !== undefined) return known.id
      if (lacking.has(type)) throw new NoCapacity(`there is no ${type} left in ${zone}`)
      launched.push({ id, type, zone })
      const name = `i-${String(launched.length).padStart(17, '0')}`
      all.set(name, { id: name, launch: id, type, zone, state: 'running', launchedAt: clock.now() })
      return name
    },
    list: async () => [...all.values()],
    states: async (ids) => new Map(ids.map((id) => [id, all.get(id)?.state ?? 'gone'])),
    terminate: async (id) => {
      const known = all.get(id)
      if (known === undefined || known.state === 'gone') return
      terminated.push(id)
      all.set(id, { ...known, state: 'gone' })
    }
  }
}
