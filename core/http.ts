/**
 * A request to the API and its answer, free of any transport. In process they are passed as they are, so that objects
 * are never serialised; over the wire, lambdas/api/listen.ts and node-agent or cli transports translate them.
 */
import type { Change } from './feed.ts'
import type { KubeObject } from './object.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'

export interface UserInfo {
  readonly username: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

export interface ApiRequest {
  readonly method: Method
  /** Without the query, still percent-encoded. */
  readonly path: string
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** What came over the wire, or, in process, the object itself (which the server then owns). */
  readonly body?: { readonly bytes: Uint8Array } | { readonly value: unknown }
  /** Set by authentication. A request in process carries the identity of its client. */
  readonly user?: UserInfo
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal
  /** What the transport can carry of a watch. Absent: whatever the client asks for. */
  readonly hold?: Hold
}

/** A watch that its transport cannot hold open ends cleanly, with a bookmark where the client takes them. */
export interface Hold {
  /** Milliseconds after which it ends. */
  readonly ms: number
  /** The transport passes on nothing before the end: end as soon as there is something to tell. */
  readonly untilEvents: boolean
  /** About so many bytes of changes at most; the next watch goes on after them. */
  readonly maxBytes?: number
  /** So many bytes at most of the state that a watch begins with, which is told whole or not at all. */
  readonly maxStateBytes?: number
}

/** A value with its JSON: made once, when first asked for. */
export interface Payload {
  readonly value: unknown
  bytes(): Uint8Array
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'

/** One line of a watch. `bytes` is the whole line with its newline. */
export interface WatchLine {
  readonly type: WatchEventType
  readonly object: KubeObject
  bytes(): Uint8Array
}

export type ApiResponseBody =
  | { readonly payload: Payload }
  | { readonly text: string }
  | { readonly watch: AsyncIterable<readonly WatchLine[]> }
  | { readonly stream: AsyncIterable<Uint8Array> }

export interface ApiResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ApiResponseBody
}

/** A door to the API: the server's own `handle` in process, an HTTPS client elsewhere. Failures are answers, not throws. */
export type Send = (request: ApiRequest) => Promise<ApiResponse>

export type { Change }
