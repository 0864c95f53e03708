/** Events about a pod and its containers, as kubelet words them. */
import type { EventRecorder } from '../core/events.ts'
import type { Container, ObjectReference, Pod } from '../core/kinds/types.ts'

/** Where an event of the container points: spec.containers{name}. */
export function containerReference(pod: Pod, container: Container): ObjectReference {
  const has = (list: readonly Container[] | undefined) => list?.some((one) => one.name === container.name) === true
  const kind = has(pod.spec?.initContainers) ? 'initContainers' : 'containers'
  const field = has(pod.spec?.ephemeralContainers) ? 'ephemeralContainers' : kind
  return { ...podReference(pod), fieldPath: `spec.${field}{${container.name}}` }
}

export function podReference(pod: Pod): ObjectReference {
  const { namespace, name, uid, resourceVersion } = pod.metadata
  return { kind: 'Pod', apiVersion: 'v1', namespace, name, uid, resourceVersion }
}

export type PodEvents = (container: Container | undefined, type: 'Normal' | 'Warning', text: EventText) => void

export interface EventText {
  readonly reason: string
  readonly message: string
}

export function podEvents(recorder: EventRecorder, pod: () => Pod): PodEvents {
  return (container, type, { reason, message }) => {
    const about = container === undefined ? podReference(pod()) : containerReference(pod(), container)
    recorder.event(about, type, reason, message)
  }
}
