/** What the decision about a pod is made from, and what comes out. All of it is data. */
import type { Container, Pod, PodStatus, ResourceRequirements } from '../../core/kinds/types.ts'
import type { PodRuntime, RuntimeContainer } from '../runtime/runtime.ts'
import type { Resize, ResizeVerdict } from './resize.ts'

/** In which a container keeps the name of its image as the pod gave it. */
export const IMAGE_ANNOTATION = 'wherry.io/image'

/** What probes say of one running container. Absent: not known yet. */
export interface Health {
  /** The startup probe has succeeded. */
  readonly started?: boolean
  /** The readiness probe says so. */
  readonly ready?: boolean
  /** A liveness or startup probe failed too often: the container must be replaced. */
  readonly failure?: { readonly probe: 'liveness' | 'startup'; readonly graceSeconds: number | undefined }
}

/** Why a container could not be started at the last attempt (kubelet's reason cache). */
export interface StartFailure {
  readonly reason: string
  readonly message: string
  /** Milliseconds since 1970: no new attempt before. */
  readonly until: number
  /** What the failure is called from a moment on: ErrImagePull becomes ImagePullBackOff. */
  readonly later?: {
    readonly from: number
    readonly reason: string
    readonly message: string
    /** What the event says. */
    readonly event?: string
  }
}

/** What is under way. The decision starts nothing twice. */
export interface Busy {
  readonly preparing: boolean
  readonly sandbox: boolean
  /** Names of containers whose start is under way or queued, with hooks. */
  readonly starting: ReadonlySet<string>
  /** Ids of containers that are being stopped, and until when (milliseconds since 1970) they may take. */
  readonly stopping: ReadonlyMap<string, number>
  readonly finishing: boolean
  readonly resizing: boolean
}

export interface PodInput {
  readonly pod: Pod
  /** The status that was last decided; at first, the API's. */
  readonly status: PodStatus
  /** What the API was told last. */
  readonly reported: Pick<PodStatus, 'phase' | 'reason' | 'message'>
  readonly runtime: PodRuntime
  /** By container id. */
  readonly health: ReadonlyMap<string, Health>
  /** Termination messages by container id. */
  readonly messages: ReadonlyMap<string, string>
  /** Ids of containers that were stopped because the pod now describes another in their place. */
  readonly replaced: ReadonlySet<string>
  /** By container id: what was set after the container's start. */
  readonly resources: ReadonlyMap<string, ResourceRequirements>
  /** What is against a resize that the pod asks for. */
  readonly resizeVerdict: ResizeVerdict | undefined
  /** By container name. */
  readonly failures: ReadonlyMap<string, StartFailure>
  readonly busy: Busy
  /** The node refused the pod. */
  readonly rejected: { readonly reason: string; readonly message: string } | undefined
  /** Volumes are in place; else, when to try again (0: now). */
  readonly prepared: boolean
  readonly prepareAfter: number
  readonly sandboxAfter: number
  /** When the agent began to end the pod; undefined: not yet. */
  readonly endingSince: number | undefined
  /** Volumes and cgroups of an ended pod are gone. */
  readonly finished: boolean
  readonly hostIPs: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface ContainerStart {
  readonly name: string
  /** The number of restarts before. */
  readonly attempt: number
  /** How long the next restart waits if this one ends soon; milliseconds. */
  readonly backoffMs: number
}

export interface ContainerStop {
  readonly id: string
  readonly name: string
  /** Milliseconds since 1970: what still runs then is killed. */
  readonly until: number
  /** The event's text. */
  readonly message: string
  /** Another starts in its place, whatever the restart policy. */
  readonly replace?: true
  /** It begins anew to get other resources. */
  readonly resize?: true
}

export type Action =
  /** Volumes, log folder: all that containers need before the sandbox. */
  | { readonly do: 'prepare' }
  | { readonly do: 'createSandbox'; readonly attempt: number }
  | { readonly do: 'stopSandbox'; readonly id: string }
  | { readonly do: 'removeSandbox'; readonly id: string }
  /** One after another: pull, create, start, hook. */
  | { readonly do: 'start'; readonly sandboxId: string; readonly containers: readonly ContainerStart[] }
  | { readonly do: 'stop'; readonly containers: readonly ContainerStop[] }
  | { readonly do: 'removeContainer'; readonly id: string }
  /** Gives running containers the resources that the pod describes now. */
  | { readonly do: 'resize'; readonly containers: readonly Resize[] }
  | {
      readonly do: 'event'
      /** Absent: it is about the pod as a whole. */
      readonly container?: string
      readonly type: 'Normal' | 'Warning'
      readonly reason: string
      readonly message: string
    }
  /** Nothing of the pod runs any more: give back volumes and cgroups. */
  | { readonly do: 'finish' }
  /** The pod's end is complete and was asked for: remove it from the API. */
  | { readonly do: 'delete' }

export interface PodPlan {
  readonly actions: readonly Action[]
  readonly status: PodStatus
  /** What the API is told: a terminal phase only when nothing of the pod runs any more. */
  readonly reported: PodStatus
  /** Milliseconds since 1970 when time alone changes the decision. */
  readonly again: number | undefined
  /** Set from the moment that the pod must end. */
  readonly ending: boolean
}

/** An init container that keeps running beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/** Init containers, containers and ephemeral ones: names are unique among all of them. */
export function containersOf(pod: Pod): readonly Container[] {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {}
  return [...initContainers, ...containers, ...ephemeralContainers]
}

/** Whether the pod describes it otherwise than when it was made. Only the image of a container can change so. */
export function isChanged(container: Container, made: RuntimeContainer): boolean {
  const image = made.annotations[IMAGE_ANNOTATION]
  return image !== undefined && image !== (container.image ?? '')
}

export function containerNamed(pod: Pod, name: string): Container | undefined {
  return containersOf(pod).find((container) => container.name === name)
}

export function formatPod(pod: Pod): string {
  return `${pod.metadata.name ?? ''}_${pod.metadata.namespace ?? ''}(${pod.metadata.uid ?? ''})`
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}
