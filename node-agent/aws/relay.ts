/**
 * Answers what the API rings for, piece by piece (the contract stands at the top of lambdas/api/relay.ts): nothing ever
 * connects to this node.
 */
import type { Send } from '../../core/http.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import type { NodeAnswer } from '../answers.ts'
import type { RelayRing } from './queue.ts'

export interface RelayOptions {
  readonly send: Send
  readonly ports: Ports
  readonly answer: (path: string, signal: AbortSignal) => Promise<NodeAnswer>
  /** Ends all that are open. */
  readonly signal: AbortSignal
}

const PATH = '/wherry/v1/relay/'
const MAX_PIECE_BYTES = 262_144
/** What comes within this time goes together. */
const GATHER_MS = 200
/** Where nothing came for so long, an empty piece asks whether anybody still reads. */
const QUIET_MS = 10_000
const FIRST_PAUSE_MS = 200
/** A piece that cannot be posted for about half a minute has no reader any more. */
const ATTEMPTS = 8
/** Streams at once; further ones are not answered, which their readers are told as a time-out. */
const MOST = 32
/** Ids of relays that were answered: a ring may come twice. */
const REMEMBERED = 1_000

export class Relays {
  private readonly options: RelayOptions
  private readonly seen = new Set<string>()
  private open = 0

  constructor(options: RelayOptions) {
    this.options = options
  }

  /** Never throws: what goes wrong is in the log, and the reader's time is over some day. */
  ring(relay: RelayRing): void {
    const { ports } = this.options
    if (this.seen.has(relay.id) || relay.until < ports.clock.now()) return
    this.seen.add(relay.id)
    for (const old of this.seen) if (this.seen.size > REMEMBERED) this.seen.delete(old)
    if (this.open >= MOST) {
      ports.log.warn({ path: relay.path }, 'too many streams are open: one more is not answered')
      return
    }
    this.open++
    answerRelay(relay, this.options)
      .catch((error: unknown) => ports.log.warn({ path: relay.path, error: String(error) }, 'a relay broke'))
      .finally(() => {
        this.open--
      })
  }
}

async function answerRelay(relay: RelayRing, options: RelayOptions): Promise<void> {
  const stop = new AbortController()
  const end = () => stop.abort()
  options.signal.addEventListener('abort', end)
  try {
    const answer = await options
      .answer(relay.path, stop.signal)
      .catch((error: unknown): NodeAnswer => ({ status: 500, type: 'text/plain', body: once(String(error)) }))
    const poster = new Poster(relay.id, options)
    const gathered = new Gathered(answer.body, options.ports, stop.signal)
    let status: number | undefined = answer.status
    // The status goes out soon: the first bytes of a log may be long in coming.
    for (let piece = await gathered.next(GATHER_MS); ; piece = await gathered.next(QUIET_MS)) {
      const wanted = await poster.post(piece, status)
      status = undefined
      if (piece.end || !wanted || stop.signal.aborted) return
    }
  } finally {
    options.signal.removeEventListener('abort', end)
    end()
  }
}

interface Piece {
  readonly bytes: Uint8Array
  readonly end: boolean
}

class Poster {
  private readonly id: string
  private readonly options: RelayOptions
  private number = 0

  constructor(id: string, options: RelayOptions) {
    this.id = id
    this.options = options
  }

  /** False: nobody reads any more. Throws where the API refuses the piece for good, or cannot be reached for long. */
  async post({ bytes, end }: Piece, status: number | undefined): Promise<boolean> {
    const { send, ports, signal } = this.options
    const query = new URLSearchParams({ piece: String(this.number++) })
    if (status !== undefined) query.set('status', String(status))
    if (end) query.set('end', 'true')
    for (let attempt = 1; ; attempt++) {
      const { status: code } = await send({
        method: 'POST',
        path: `${PATH}${this.id}`,
        query,
        headers: { 'content-type': 'application/octet-stream', accept: 'application/json' },
        body: { bytes }
      })
      if (code < 300) return true
      if (code === 410) return false
      const again = code === 429 || code >= 500
      if (!again || attempt === ATTEMPTS || signal.aborted) throw new Error(`the API answered a piece with ${code}`)
      const pause = FIRST_PAUSE_MS * 2 ** (attempt - 1)
      await sleep(ports.clock, pause * (0.5 + ports.random.next()), signal)
    }
  }
}

/** Takes what a stream gives and hands it out in pieces. It reads on only when the last piece was taken. */
class Gathered {
  private readonly source: AsyncIterator<Uint8Array>
  private readonly ports: Ports
  private readonly signal: AbortSignal
  private pending: Promise<IteratorResult<Uint8Array>> | undefined
  private rest: Uint8Array = new Uint8Array()
  private ended = false

  constructor(source: AsyncIterable<Uint8Array>, ports: Ports, signal: AbortSignal) {
    this.source = source[Symbol.asyncIterator]()
    this.ports = ports
    this.signal = signal
  }

  /** What there is, once something came and a short while after it; with nothing, after `waitMs` an empty piece. */
  async next(waitMs: number): Promise<Piece> {
    const { clock } = this.ports
    const parts: Uint8Array[] = []
    let size = 0
    const add = (bytes: Uint8Array) => {
      parts.push(bytes.subarray(0, MAX_PIECE_BYTES - size))
      this.rest = bytes.subarray(MAX_PIECE_BYTES - size)
      size += parts.at(-1)?.length ?? 0
    }
    let until = clock.now() + waitMs
    if (this.rest.length > 0) {
      add(this.rest)
      until = clock.now() + GATHER_MS
    }
    while (size < MAX_PIECE_BYTES && !this.ended) {
      const result = await this.within(until - clock.now())
      if (result === undefined) break
      if (result.done === true) this.ended = true
      else if (result.value.length > 0) {
        if (size === 0) until = clock.now() + GATHER_MS
        add(result.value)
      }
    }
    return { bytes: Buffer.concat(parts), end: this.ended && this.rest.length === 0 }
  }

  /** The stream's next bytes; undefined where they do not come in time. */
  private async within(ms: number): Promise<IteratorResult<Uint8Array> | undefined> {
    this.pending ??= this.source.next()
    const gaveUp = new AbortController()
    const time = sleep(this.ports.clock, Math.max(0, ms), AbortSignal.any([this.signal, gaveUp.signal]))
    const result = await Promise.race([this.pending, time.then(() => undefined)])
    gaveUp.abort()
    if (result !== undefined) this.pending = undefined
    return result
  }
}

async function* once(message: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(message)
}
