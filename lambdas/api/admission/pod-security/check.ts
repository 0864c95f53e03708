/** What the checks of the Pod Security Standards share: their shape, and how they name what offends. */
import type { Container, EphemeralContainer, PodSpec } from '../../../../core/kinds/types.ts'

export interface PodShape {
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: PodSpec
}

/** What a check has against a pod. `detail` may be empty. */
export interface Finding {
  readonly reason: string
  readonly detail: string
}

export type CheckPod = (pod: PodShape) => Finding | undefined

/** One control. `versions` in rising order; each holds from its minor version (of 1.x) to the next one's. */
export interface Check {
  readonly id: string
  readonly level: 'baseline' | 'restricted'
  readonly versions: readonly {
    readonly since: number
    readonly check: CheckPod
    /** Checks of the baseline that this one makes superfluous. */
    readonly overrides?: readonly string[]
  }[]
}

/** Init containers first, then the others, then ephemeral ones. */
export function containersOf(spec: PodSpec): readonly (Container | EphemeralContainer)[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]
}

/** The names of the containers that `offends` picks. */
export function namesWhere(
  spec: PodSpec,
  offends: (container: Container | EphemeralContainer) => boolean
): readonly string[] {
  return containersOf(spec)
    .filter(offends)
    .map(({ name }) => name)
}

/** `"a", "b"`, as they are. */
export function quoted(items: readonly string[]): string {
  return items.length === 0 ? '' : `"${items.join('", "')}"`
}

/** Each once, sorted. */
export function sortedSet(items: Iterable<string>): readonly string[] {
  return [...new Set(items)].sort()
}

export function plural(one: string, items: readonly unknown[], many = `${one}s`): string {
  return items.length === 1 ? one : many
}

/** `container "a"`, `containers "a", "b"` */
export function containerNames(names: readonly string[]): string {
  return `${plural('container', names)} ${quoted(names)}`
}

/** `pod and containers "a", "b"`; undefined: nobody. */
export function setters(pod: boolean, names: readonly string[]): string | undefined {
  const parts = [...(pod ? ['pod'] : []), ...(names.length > 0 ? [containerNames(names)] : [])]
  return parts.length === 0 ? undefined : parts.join(' and ')
}

/** A pod in a user namespace of its own: root in it is not root on the node. */
export function hasOwnUsers(spec: PodSpec): boolean {
  return spec.hostUsers === false
}

export function unlessOwnUsers(check: CheckPod): CheckPod {
  return (pod) => (hasOwnUsers(pod.spec) ? undefined : check(pod))
}

export function unlessWindows(check: CheckPod): CheckPod {
  return (pod) => (pod.spec.os?.name === 'windows' ? undefined : check(pod))
}
