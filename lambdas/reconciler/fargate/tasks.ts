/** Pods as tasks of a platform that has no nodes to keep. ecs-tasks.ts and fake-tasks.ts keep this. */

export interface TaskContainer {
  readonly name: string
  readonly image: string
  /** The task ends when it does. */
  readonly essential: boolean
  /** Absent: the image's own. */
  readonly entryPoint?: readonly string[]
  readonly command?: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Of 1024 a core. */
  readonly cpu: number
  /** MiB. Above `memory` it is killed; `reserved` is what it has for certain. */
  readonly memory?: number
  readonly reserved?: number
  readonly workingDir?: string
  /** "1000" or "1000:2000" */
  readonly user?: string
  readonly readOnlyRoot?: boolean
  readonly ports: readonly { readonly port: number; readonly protocol: 'tcp' | 'udp' }[]
  /** It starts when these have started, or have ended well. */
  readonly after: readonly { readonly name: string; readonly condition: 'START' | 'SUCCESS' }[]
  readonly mounts: readonly { readonly volume: string; readonly path: string; readonly readOnly: boolean }[]
  /** Times in seconds. */
  readonly check?: {
    readonly command: readonly string[]
    readonly interval: number
    readonly timeout: number
    readonly retries: number
    readonly startPeriod: number
  }
  /** Seconds between SIGTERM and SIGKILL. */
  readonly stopTimeout: number
  readonly tty: boolean
  readonly addCapabilities: readonly string[]
  readonly dropCapabilities: readonly string[]
}

export interface TaskDefinition {
  /** Of 1024 a core, and MiB: one of the sizes that the platform sells. */
  readonly cpu: number
  readonly memory: number
  /** GiB of disk. */
  readonly disk: number
  /** Empty ones, shared by the containers that mount them. */
  readonly volumes: readonly string[]
  readonly sharesProcesses: boolean
  readonly containers: readonly TaskContainer[]
}

export interface RunRequest {
  /** The pod's uid, and its "namespace/name". */
  readonly pod: string
  readonly key: string
  /** How often it ran before: asked again with the same number, the platform answers with the same task. */
  readonly attempt: number
  readonly definition: TaskDefinition
}

export interface ContainerRun {
  readonly name: string
  readonly state: 'pending' | 'running' | 'stopped'
  /** As in "ecs://1a2b…"; absent until it was made. */
  readonly id?: string
  readonly imageDigest?: string
  readonly exitCode?: number
  /** Why it could not run, in the platform's words. */
  readonly reason?: string
  /** What its check says; undefined where it has none, or has not said yet. */
  readonly healthy?: boolean
}

export interface Task {
  readonly id: string
  readonly attempt: number
  readonly state: 'starting' | 'running' | 'stopping' | 'stopped'
  /** IPv4, once it has one. */
  readonly ip?: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly startedAt?: number
  readonly stoppedAt?: number
  /** Why it stopped, in the platform's words. */
  readonly reason?: string
  readonly containers: readonly ContainerRun[]
}

/** The platform will never take the task as it is described. Anything else thrown may pass. */
export class TaskRefused extends Error {
  override readonly name = 'TaskRefused'
}

export interface Tasks {
  /** The task's id. It may take a moment to be found. Throws TaskRefused. */
  run(request: RunRequest): Promise<string>
  /** The newest task of the pod with this uid; stopped ones are known for a while. */
  find(pod: string): Promise<Task | undefined>
  /** Begins to stop it, with the grace that its containers were given; no error where it has stopped. */
  stop(id: string, reason: string): Promise<void>
  /** The uids of the pods whose tasks have not stopped. */
  running(): Promise<readonly string[]>
  /** The pod is no more: what only it needed is removed. */
  forget(pod: string): Promise<void>
}
