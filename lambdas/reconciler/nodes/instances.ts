/** The machines that become nodes, as their platform has them. ec2-instances.ts and fake-instances.ts keep this. */

export interface LaunchRequest {
  /** Asked again with the same id, the platform answers with the same instance. */
  readonly id: string
  /** As in "t4g.small". */
  readonly type: string
  readonly zone: string
}

/** `gone`: it ends or has ended; it does not come back. */
export type InstanceState = 'pending' | 'running' | 'gone'

export interface Instance {
  /** As in "i-0123456789abcdef0", which is its node's name, too. */
  readonly id: string
  /** The LaunchRequest's. */
  readonly launch: string
  readonly type: string
  readonly zone: string
  readonly state: InstanceState
  /** Milliseconds since 1970. */
  readonly launchedAt: number
}

/** The platform has no such machine to give, now or ever: another type may do. Anything else thrown may pass. */
export class NoCapacity extends Error {
  override readonly name = 'NoCapacity'
}

export interface Instances {
  /** The id of the instance, which may take a moment to appear in `list`. Throws NoCapacity. */
  launch(request: LaunchRequest): Promise<string>
  /** Those that `launch` made for this cluster, those that have gone only for a while. */
  list(): Promise<readonly Instance[]>
  /** Of any instances, by id, whoever made them. What the platform does not know has gone. */
  states(ids: readonly string[]): Promise<ReadonlyMap<string, InstanceState>>
  /** Resolves when the platform has begun; no error where it has gone already. */
  terminate(id: string): Promise<void>
}
