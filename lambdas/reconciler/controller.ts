/** What a controller is, and what it is given. A newcomer is one file with one such value, and a line in registry.ts. */
import type { CertificateSigner } from '../../core/certificate-signer.ts'
import type { Client } from '../../core/client.ts'
import type { EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import type { ResourceRef } from '../../core/kinds/refs.ts'
import type { RunResult } from '../../core/loop.ts'
import type { Resource } from '../../core/object.ts'
import type { Ports } from '../../core/ports.ts'
import type { Tasks } from './fargate/tasks.ts'
import type { Instances } from './nodes/instances.ts'
import type { NodeSettings } from './nodes/offers.ts'

/** Nodes on demand (controllers/node-provisioner.ts). */
export interface NodeProvisioning {
  readonly instances: Instances
  readonly settings: NodeSettings
}

/** Pods as tasks (controllers/fargate.ts). */
export interface FargateProvisioning {
  readonly tasks: Tasks
  /** Default "arm64". */
  readonly arch?: 'arm64' | 'amd64'
}

/** A resource as discovery knows it. */
export interface ServedKind extends ResourceRef<Resource> {
  readonly verbs: readonly string[]
  /** The resource in the store and in a Change: "apps/deployments", "pods". */
  readonly storage: string
}

export interface ReconcilerConfig {
  /** PEM of the cluster's CA, for kube-root-ca.crt. */
  readonly caCertificate: string
  /** Signs for the cluster's CA; absent: certificate signing requests are left alone. */
  readonly signer?: CertificateSigner
  /** Every resource that is served now, one version of each; the garbage collector and namespaces' deletion use it. */
  readonly kinds: () => readonly ServedKind[] | Promise<readonly ServedKind[]>
  /** The range that nodes get theirs from (--cluster-cidr with --allocate-node-cidrs). Default: nodes come with theirs. */
  readonly podCIDR?: string
  /**
   * A node whose lease is not renewed for so long is not ready (--node-monitor-grace-period). Default: as long as the
   * lease itself says (leaseDurationSeconds), or 40,000 ms.
   */
  readonly nodeMonitorGraceMs?: number
  /** A node that never renewed a lease (--node-startup-grace-period). Default 60,000 ms. */
  readonly nodeStartupGraceMs?: number
  /** Where nodes can be made on demand: the platform's instances, and what may be launched. */
  readonly provisioning?: NodeProvisioning
  /** Where pods can run as tasks. */
  readonly fargate?: FargateProvisioning
  /**
   * Milliseconds since 1970 since when nodes could be heard: silence before it does not count. Default: when the
   * controller was first asked. 0 where the API is always there, whichever process asks.
   */
  readonly nodesHeardSince?: number
  /** Finished pods beyond this number are deleted, oldest first (--terminated-pod-gc-threshold). Default 12,500. */
  readonly terminatedPodThreshold?: number
}

export interface ControllerContext {
  /** Acts under the controller's own identity. */
  readonly client: Client
  /** May list everything, as kube-controller-manager's shared informers do; for controllers whose role reads nothing. */
  readonly reader: Client
  readonly events: EventRecorder
  readonly ports: Ports
  readonly config: ReconcilerConfig
  /** Has another key of this controller reconciled: now, or after some milliseconds. */
  readonly enqueue: (key: string, delayMs?: number) => void
}

/**
 * The keys that changes of one resource concern. Given in batches, so that what must be looked up is looked up once
 * for many changes. May throw: the batch is mapped again then.
 */
export type KeyMap = (
  changes: readonly Change[],
  context: ControllerContext
) => readonly string[] | Promise<readonly string[]>

export interface Controller {
  /** Also its service account in kube-system. */
  readonly name: string
  /** source.component of its Events, where it is not the name. */
  readonly component?: string
  /** How many keys at once. Default 5, as most of kube-controller-manager's. */
  readonly workers?: number
  /** See LoopOptions. */
  readonly restRatio?: number
  /**
   * Two runs of one key at once would do its work twice (objects with generated names): where several processes run
   * controllers, a key of this one runs under a lease.
   */
  readonly exclusive?: boolean
  /**
   * What to look at each minute though nothing changed: silence has no change. Where minutes ring, `again` of this
   * controller's runs is not heeded, for it would cost a message for each key all the time.
   */
  readonly everyMinute?: (context: ControllerContext) => Promise<readonly string[]>
  /** By the store's resource ("pods"); "*" sees the changes of every resource. */
  readonly watches: Readonly<Record<string, KeyMap>>
  /**
   * What to reconcile when the program starts, whatever changed while it was not running. On AWS no start is known: it
   * is asked when the code is new, and once a day.
   */
  readonly start: (context: ControllerContext) => Promise<readonly string[]>
  /** Brings the world closer to what the object of this key wants. Reads current state; is given no change. */
  readonly reconcile: (key: string, context: ControllerContext) => Promise<RunResult | undefined>
}
