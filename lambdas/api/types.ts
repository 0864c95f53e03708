/** What the parts of the API server promise each other. */
import type { ApiRequest, ApiResponse, UserInfo } from '../../core/http.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Ports } from '../../core/ports.ts'
import type { Entry, StoreApi, Write } from '../../store/store.ts'
import type { Notes } from './notes.ts'

/** What the transport knows of the other side. */
export interface Peer {
  /** Subject of a client certificate that the cluster's CA signed: CN is the user, each O a group. */
  readonly certificate?: { readonly commonName: string; readonly organizations: readonly string[] }
  /** Where it is. */
  readonly address?: string
}

export interface Authenticator {
  /** The user; undefined when no credentials came. Throws ApiError Unauthorized for wrong ones. */
  authenticate(request: ApiRequest, peer: Peer): Promise<UserInfo | undefined>
}

/** What is asked: a resource (`resource` set) or a plain path. Verbs are RBAC's: get, list, watch, create ... */
export interface Attributes {
  readonly user: UserInfo
  readonly verb: string
  readonly resource?: {
    readonly group: string
    readonly version: string
    readonly resource: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
    /** Of a list or watch, as the client sent it: nodes may only list their own pods. */
    readonly fieldSelector?: string
    /** Of a list or watch: the query's wherryIndex. */
    readonly index?: string
  }
  readonly path?: string
}

export interface Authorizer {
  authorize(attributes: Attributes): Promise<{ readonly allowed: boolean; readonly reason: string }>
}

export interface AdmissionRequest {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  readonly kind: Kind
  readonly subresource: string | undefined
  readonly namespace: string | undefined
  readonly name: string | undefined
  /** Of CREATE and UPDATE; `mutate` may change it. */
  readonly object: KubeObject | undefined
  readonly old: KubeObject | undefined
  readonly user: UserInfo
  readonly dryRun: boolean
  /** One of a collection that is deleted: webhooks are not told its name beside it. */
  readonly collection?: boolean
  readonly round: Round
  /** The client's CreateOptions, UpdateOptions, PatchOptions or DeleteOptions, as an object of meta.k8s.io/v1. */
  readonly options: () => JsonObject
  /** Tells the client something in a Warning header. */
  readonly warn: (text: string) => void
  /** Writes into the audit log's entry of this request. */
  readonly annotate: (key: string, value: string) => void
  readonly store: StoreApi
  readonly ports: Ports
}

/** Mutation takes a second round where a webhook or policy changed the object: others may want to see it again. */
export interface Round {
  second: boolean
  /** Whether a second round is wanted. */
  again: boolean
  /** What plugins remember from the first round, by plugin. */
  state: Map<string, unknown> | undefined
}

/** One admission plugin: refuses by throwing an ApiError. Runs again when a conflict makes the write start anew. */
export interface AdmissionPlugin {
  readonly name: string
  /** The store's resources ("apps/deployments") that it is about; absent: all. */
  readonly resources?: readonly string[]
  /** May run twice on one object. */
  readonly mutate?: (request: AdmissionRequest) => Promise<void>
  /** Once, after all mutations: what Kubernetes' storage does of a new or changed object. */
  readonly complete?: (request: AdmissionRequest) => Promise<void>
  readonly validate?: (request: AdmissionRequest) => Promise<void>
}

/** One object's way from `old` to `next` (absent: created, removed), just before it is committed. */
export interface PendingChange {
  readonly kind: Kind
  readonly key: string
  readonly old: Entry | undefined
  readonly next: KubeObject | undefined
}

/** Other items that must change in the same transaction: the node ledger, allocated addresses. */
export type Effect = (change: PendingChange, store: StoreApi) => Promise<readonly Write[]>

export interface ApiContext {
  readonly store: StoreApi
  readonly ports: Ports
  readonly authorizer: Authorizer
  readonly admission: readonly AdmissionPlugin[]
  readonly effects: readonly Effect[]
}

/** A resource's request after routing, authentication and authorisation. */
export interface ResourceRequest {
  readonly request: ApiRequest
  readonly user: UserInfo
  readonly kind: Kind
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
  /** Absent where nobody hears: the request of a test. */
  readonly notes?: Notes
}

/** Answers one subresource or one virtual resource (a review, a token request). Failures are thrown ApiErrors. */
export type ResourceHandler = (request: ResourceRequest, context: ApiContext) => Promise<ApiResponse>
