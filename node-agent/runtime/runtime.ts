/** What the agent asks of a container runtime, in the agent's words. cri.ts speaks to a real one, fake.ts is for tests. */

export interface Sandbox {
  readonly id: string
  readonly podUid: string
  readonly name: string
  readonly namespace: string
  readonly attempt: number
  readonly ready: boolean
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Empty on the host's network, and once the sandbox is no longer ready. */
  readonly ips: readonly string[]
}

export interface RuntimeContainer {
  readonly id: string
  readonly sandboxId: string
  readonly podUid: string
  readonly name: string
  /** The number of restarts before it. */
  readonly attempt: number
  readonly state: 'created' | 'running' | 'exited' | 'unknown'
  /** Milliseconds since 1970; 0 where it has not happened. */
  readonly createdAt: number
  readonly startedAt: number
  readonly finishedAt: number
  readonly exitCode: number
  /** "Completed", "Error", "OOMKilled", "ContainerCannotRun", "StartError" or ''. */
  readonly reason: string
  readonly message: string
  readonly image: string
  readonly imageRef: string
  readonly annotations: Readonly<Record<string, string>>
  /** An absolute path on the host. */
  readonly logPath: string
}

export interface PodRuntime {
  /** Newest first. */
  readonly sandboxes: readonly Sandbox[]
  /** Newest first. */
  readonly containers: readonly RuntimeContainer[]
}

export interface NamespaceModes {
  readonly network: 'POD' | 'NODE'
  readonly pid: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET'
  /** The id of the container whose process namespace it is, with TARGET. */
  readonly target?: string
  readonly ipc: 'POD' | 'NODE'
}

export interface SeccompProfile {
  readonly type: 'RuntimeDefault' | 'Unconfined' | 'Localhost'
  readonly path?: string
}

export interface SandboxConfig {
  readonly name: string
  readonly namespace: string
  readonly podUid: string
  readonly attempt: number
  /** '' on the host's network. */
  readonly hostname: string
  readonly logDirectory: string
  readonly dns: {
    readonly servers: readonly string[]
    readonly searches: readonly string[]
    readonly options: readonly string[]
  }
  readonly portMappings: readonly {
    readonly protocol: string
    readonly containerPort: number
    readonly hostPort: number
    readonly hostIP: string
  }[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly cgroupParent: string
  readonly namespaces: NamespaceModes
  readonly privileged: boolean
  readonly runAsUser?: number | undefined
  readonly runAsGroup?: number | undefined
  readonly supplementalGroups: readonly number[]
  readonly seccomp: SeccompProfile
  readonly sysctls: Readonly<Record<string, string>>
}

export interface ContainerMount {
  readonly containerPath: string
  readonly hostPath: string
  readonly readOnly: boolean
  readonly propagation: 'None' | 'HostToContainer' | 'Bidirectional'
}

export interface ContainerConfig {
  readonly name: string
  readonly attempt: number
  readonly image: string
  readonly command: readonly string[]
  readonly args: readonly string[]
  readonly workingDir: string
  readonly env: readonly { readonly name: string; readonly value: string }[]
  readonly mounts: readonly ContainerMount[]
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Relative to the sandbox's logDirectory. */
  readonly logPath: string
  readonly stdin: boolean
  readonly stdinOnce: boolean
  readonly tty: boolean
  readonly resources: {
    /** Microseconds; 0: no limit. */
    readonly cpuQuota: number
    readonly cpuPeriod: number
    readonly cpuShares: number
    /** Bytes; 0: no limit. */
    readonly memoryLimit: number
    readonly oomScoreAdj: number
  }
  readonly security: {
    readonly namespaces: NamespaceModes
    readonly privileged: boolean
    readonly runAsUser?: number | undefined
    readonly runAsGroup?: number | undefined
    readonly readOnlyRootFilesystem: boolean
    readonly supplementalGroups: readonly number[]
    readonly noNewPrivileges: boolean
    readonly addCapabilities: readonly string[]
    readonly dropCapabilities: readonly string[]
    readonly seccomp: SeccompProfile
    /** procMount Unmasked: nothing of /proc is hidden. */
    readonly unmaskedProc: boolean
  }
}

export interface Image {
  readonly id: string
  readonly tags: readonly string[]
  readonly digests: readonly string[]
  /** Bytes. */
  readonly size: number
  /** The user that the image asks for: a number, or a name that only the image knows. */
  readonly uid?: number
  readonly username: string
}

export interface ImageAuth {
  readonly username?: string
  readonly password?: string
  readonly auth?: string
  readonly serverAddress?: string
}

export interface ExecResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export interface ContainerUsage {
  readonly id: string
  readonly podUid: string
  readonly name: string
  /** Nanoseconds of CPU time so far. */
  readonly cpuNanoSeconds: number
  readonly workingSetBytes: number
  readonly usageBytes: number
  readonly rssBytes: number
}

export interface RuntimeEvent {
  /** A container of a pod, or the sandbox itself, has ended. */
  readonly id: string
}

/** Labels by which containers are found again; kubelet's own names. */
export const LABELS = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name'
} as const

export class RuntimeError extends Error {
  readonly kind: 'NotFound' | 'Unavailable' | 'Timeout' | 'Other'

  constructor(kind: RuntimeError['kind'], message: string) {
    super(message)
    this.name = 'RuntimeError'
    this.kind = kind
  }
}

/** Every method throws RuntimeError. Stopping and removing what is gone succeeds. */
export interface Runtime {
  version(): Promise<{ readonly name: string; readonly version: string }>
  status(): Promise<{ readonly runtimeReady: boolean; readonly networkReady: boolean; readonly message: string }>
  /** All pods by uid, or the one that is asked for. Exact: what a former call of this interface did is in it. */
  inspect(podUid?: string): Promise<ReadonlyMap<string, PodRuntime>>
  runSandbox(config: SandboxConfig): Promise<string>
  /** Kills what runs in it at once, and takes its network down. */
  stopSandbox(id: string): Promise<void>
  removeSandbox(id: string): Promise<void>
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string>
  startContainer(id: string): Promise<void>
  /** SIGTERM (or the image's signal), and SIGKILL after `graceSeconds`. Resolves when it has ended. */
  stopContainer(id: string, graceSeconds: number): Promise<void>
  removeContainer(id: string): Promise<void>
  /** Sets what a running container may use; 0 leaves a limit as it is, a cpuQuota of -1 lifts it. */
  updateContainer(id: string, resources: ContainerConfig['resources']): Promise<void>
  /** Throws RuntimeError Timeout when the command takes longer than `timeoutSeconds`. */
  exec(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecResult>
  /** After the log file was renamed: go on in a new one. */
  reopenLog(id: string): Promise<void>
  usage(): Promise<readonly ContainerUsage[]>
  listImages(): Promise<readonly Image[]>
  findImage(image: string): Promise<Image | undefined>
  pullImage(image: string, auth: ImageAuth | undefined): Promise<string>
  removeImage(image: string): Promise<void>
  /** Calls back on each end of a container, until the returned function is called. Reconnects by itself. */
  onEvent(listener: (event: RuntimeEvent) => void): () => void
  close(): void
}
