/** Which mutating webhooks or policies are to be asked again, because others changed the object after them. */
import type { KubeObject } from '../../../core/object.ts'
import { copyJson, sameJson } from '../copy.ts'
import type { Round } from '../types.ts'

export class Reinvocations {
  private output: KubeObject | undefined
  /** Asked already, and willing to be asked again. */
  private asked = new Set<string>()
  private readonly due = new Set<string>()

  /** One for each plugin and request. */
  static of(round: Round, plugin: string): Reinvocations {
    round.state ??= new Map()
    const known = round.state.get(plugin)
    if (known instanceof Reinvocations) return known
    const fresh = new Reinvocations()
    round.state.set(plugin, fresh)
    return fresh
  }

  /** Somebody changed the object: all that were asked before it are due. */
  changed(): void {
    for (const one of this.asked) this.due.add(one)
    this.asked = new Set()
  }

  /** At the second round: another plugin may have changed what this one left. */
  compare(object: KubeObject | undefined): void {
    if (!sameJson(this.output, object)) this.changed()
  }

  wants(one: string): boolean {
    return this.due.has(one)
  }

  invoked(one: string): void {
    this.asked.add(one)
  }

  /** What the plugin's round left. */
  keep(object: KubeObject | undefined): void {
    this.output = copyJson(object)
  }
}
