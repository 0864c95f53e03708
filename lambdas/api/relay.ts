/**
 * Streams out of a node that nobody can connect to (docs/adr/0006-aws.md): the API rings, the node's agent posts. What
 * both sides keep to:
 *
 * 1. The ring is a message in the node's queue (the Node's annotation wherry.dev/queue-url), which may come twice, late,
 *    or not at all:
 *
 *      {"relay":{"id":"ID","path":"/containerLogs/NAMESPACE/POD/CONTAINER?follow=true","until":1763923200000}}
 *
 *    `path` is what the API would ask the agent's own server for (node-agent/server.ts): path and query of the kubelet's
 *    API, to be answered in the same way. After `until` (milliseconds since 1970) nobody reads any more: drop it then.
 *
 * 2. The agent posts the answer in pieces, with its node's own credentials:
 *
 *      POST /wherry/v1/relay/ID?piece=N[&status=CODE][&end=true]      content-type: application/octet-stream
 *
 *    The body is up to 262,144 raw bytes (none is fine). N counts up from 0; each is posted when the one before it was
 *    answered. Piece 0 says `status`, the HTTP status of the answer (200; or 400, 404, 500 with the error's text as its
 *    body), and is posted as soon as the status is known, empty or not: the reader waits 10 s for it from the ring.
 *    `end=true` marks the last piece. While a stream is open the agent posts what has gathered within 200 ms, or 262,144
 *    bytes, whichever is first; where there was nothing for 10 s it posts an empty piece, by which it learns whether
 *    anybody still reads.
 *
 * 3. The answers:
 *      200 {"next":N+1}  kept; the same piece posted again is answered so, too, and changes nothing
 *      410 Gone          the reader has left, or there is no such relay: stop
 *      403 Forbidden     it is another node's
 *      400, 413          not a piece, or too large: stop
 *      429, 5xx          post the same piece again after a pause
 */
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, ApiResponse, UserInfo } from '../../core/http.ts'
import type { Node } from '../../core/kinds/types.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import type { StoreApi } from '../../store/store.ts'
import { internalError, valueAnswer } from './answers.ts'
import { nodeNameOf } from './authz-node.ts'
import { badRequest, notFound, tooLarge } from './failures.ts'
import type { Kubelet, KubeletAnswer, KubeletRequest } from './kubelet.ts'
import type { Paths } from './paths.ts'

export const RELAY_PATH = '/wherry/v1/relay/'
export const MAX_PIECE_BYTES = 262_144
export const QUEUE_ANNOTATION = 'wherry.dev/queue-url'

/** An agent that does not even begin to answer. */
const ANSWER_MS = 10_000
/** A reader that has not said for so long that it is there has left, in milliseconds. */
const READER_MS = 30_000
const SAY_EVERY_MS = 10_000
/** How often a reader looks for the next piece: at first, and when nothing came for some time. */
const FIRST_LOOK_MS = 100
const LONGEST_LOOK_MS = 500

export interface Piece {
  readonly number: number
  /** Of the first piece: the HTTP status of the whole. */
  readonly status: number | undefined
  readonly end: boolean
  readonly bytes: Uint8Array
}

/** Where pieces lie between the one who posts and the one who reads. Everything in it is forgotten after a while. */
export interface RelayPieces {
  /** A new relay, or that its reader is there until `until` (milliseconds since 1970; 0: it has left). */
  hold(id: string, relay: { readonly node: string; readonly until: number }): Promise<void>
  find(id: string): Promise<{ readonly node: string; readonly until: number } | undefined>
  /** Leaves a piece of that number that is there. */
  put(id: string, piece: Piece): Promise<void>
  /** The pieces from this number on, in order; maybe not all of them at once. */
  read(id: string, from: number): Promise<readonly Piece[]>
}

export interface RelayOptions {
  readonly store: StoreApi
  readonly ports: Ports
  readonly pieces: RelayPieces
  /** Puts a message into the queue. */
  readonly ring: (queueUrl: string, message: object) => Promise<void>
}

/** The way to nodes that are rung. */
export function createRelay(options: RelayOptions): Kubelet {
  return {
    get: async (request) => await new Relay(options, request).answer(),
    connection: async (node) => {
      throw internalError(`nothing connects to the node ${node}: it answers for logs only`)
    },
    close: () => {}
  }
}

/** Where agents post: the path and its handler. */
export function relayPaths({ ports, pieces }: Pick<RelayOptions, 'ports' | 'pieces'>): Paths {
  return { [`${RELAY_PATH}*`]: { post: async (request, user) => await take(request, user, { ports, pieces }) } }
}

async function take(
  request: ApiRequest,
  user: UserInfo,
  { ports, pieces }: Pick<RelayOptions, 'ports' | 'pieces'>
): Promise<ApiResponse> {
  const id = request.path.slice(RELAY_PATH.length)
  const piece = pieceOf(request)
  const relay = await pieces.find(id)
  if (relay === undefined || relay.until < ports.clock.now())
    throw new ApiError('Gone', `nobody reads the relay ${id} any more`)
  if (nodeNameOf(user) !== relay.node) throw new ApiError('Forbidden', `the relay ${id} is not of ${user.username}`)
  await pieces.put(id, piece)
  return valueAnswer(200, { next: piece.number + 1 })
}

function pieceOf({ query, body }: ApiRequest): Piece {
  const number = numberOf('piece', query.get('piece'))
  const status = query.has('status') ? numberOf('status', query.get('status')) : undefined
  if (number === 0 && status === undefined) throw badRequest('the first piece of a relay says its status')
  const bytes = body !== undefined && 'bytes' in body ? body.bytes : new Uint8Array()
  if (bytes.length > MAX_PIECE_BYTES) throw tooLarge(MAX_PIECE_BYTES)
  return { number, status, end: query.get('end') === 'true', bytes }
}

function numberOf(name: string, text: string | null): number {
  if (text === null || !/^\d{1,9}$/.test(text)) throw badRequest(`${name} must be a number`)
  return Number(text)
}

/** One reader's side. */
class Relay {
  private readonly options: RelayOptions
  private readonly request: KubeletRequest
  private readonly id: string
  private heldUntil = 0
  private next = 0

  constructor(options: RelayOptions, request: KubeletRequest) {
    this.options = options
    this.request = request
    this.id = options.ports.ids.uid()
  }

  async answer(): Promise<KubeletAnswer> {
    const { clock } = this.options.ports
    const queue = await this.queue()
    const until = clock.now() + ANSWER_MS
    await this.hold()
    await this.options.ring(queue, { relay: { id: this.id, path: this.path(), until } })
    for (;;) {
      const pieces = await this.read()
      const [first] = pieces
      if (first !== undefined) return { status: first.status ?? 200, body: this.body(pieces) }
      if (clock.now() >= until || this.isLeft()) break
      await sleep(clock, FIRST_LOOK_MS, this.request.signal)
    }
    await this.leave()
    throw this.failure(this.isLeft() ? 'the reader has left' : 'the node agent does not answer')
  }

  private async *body(first: readonly Piece[]): AsyncGenerator<Uint8Array> {
    const { clock } = this.options.ports
    let pieces = first
    let pause = FIRST_LOOK_MS
    let heardAt = clock.now()
    try {
      while (!this.isLeft()) {
        for (const piece of pieces) {
          if (piece.bytes.length > 0) yield piece.bytes
          if (piece.end || this.isLeft()) return
        }
        const now = clock.now()
        if (pieces.length > 0) heardAt = now
        // An agent that is alive posts at least each 10 s.
        else if (now - heardAt > READER_MS) return
        pause = pieces.length > 0 ? FIRST_LOOK_MS : Math.min(pause * 1.5, LONGEST_LOOK_MS)
        if (now > this.heldUntil - READER_MS + SAY_EVERY_MS) await this.hold()
        await sleep(clock, pause, this.request.signal)
        pieces = await this.read()
      }
    } finally {
      await this.leave()
    }
  }

  private async read(): Promise<readonly Piece[]> {
    const pieces = await this.options.pieces.read(this.id, this.next)
    this.next += pieces.length
    return pieces
  }

  private async hold(): Promise<void> {
    const until = this.options.ports.clock.now() + READER_MS
    await this.options.pieces.hold(this.id, { node: this.request.node, until })
    this.heldUntil = until
  }

  private async leave(): Promise<void> {
    await this.options.pieces.hold(this.id, { node: this.request.node, until: 0 }).catch((error: unknown) => {
      // The agent then learns it when the time is over.
      this.options.ports.log.warn({ error, id: this.id }, 'the end of a relay was not noted')
    })
  }

  private isLeft(): boolean {
    return this.request.signal?.aborted === true
  }

  private async queue(): Promise<string> {
    const entry = await this.options.store.get('nodes', this.request.node)
    if (entry === undefined) throw notFound({ group: '', resource: 'nodes' }, this.request.node)
    const queue = (entry.value as unknown as Node).metadata.annotations?.[QUEUE_ANNOTATION]
    if (queue === undefined) throw this.failure('the node has no queue by which it could be rung')
    return queue
  }

  private path(): string {
    const { path, query } = this.request
    return query === undefined || query.size === 0 ? path : `${path}?${query}`
  }

  /** As where a node is connected to. */
  private failure(why: string): ApiError {
    return internalError(`Get "https://${this.request.node}:10250${this.path()}": ${why}`)
  }
}
