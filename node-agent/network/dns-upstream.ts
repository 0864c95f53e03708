import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { connect, isIP, isIPv6 } from 'node:net'
import type { Ports } from '../../core/ports.ts'

/** How long one server may take, and how many are asked, before a client hears SERVFAIL. */
const TIMEOUT_MS = 2000
const MAX_SERVERS = 3

/** The machine's resolv.conf changes when its network does. */
const REREAD_MS = 5000

/** Queries under way; more are refused at once, so that a dead upstream cannot fill the memory. */
const MAX_PENDING = 1000

const DNS_PORT = 53

export interface UpstreamOptions {
  readonly resolvConf: string
  /** Our own addresses: asking them would be a loop. */
  readonly except: readonly string[]
  readonly ports: Ports
}

/** Passes queries on to the machine's resolvers, as they are, and their answers back. */
export class Upstream {
  private readonly options: UpstreamOptions
  private servers: readonly Server[] = []
  private readAt = Number.NEGATIVE_INFINITY
  private pending = 0

  constructor(options: UpstreamOptions) {
    this.options = options
  }

  /** The answer with the query's id; undefined when no server answered. */
  async ask(query: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    if (this.pending >= MAX_PENDING) return undefined
    this.pending++
    try {
      for (const server of await this.current()) {
        const answer = await this.askOne(query, server, transport)
        if (answer !== undefined) return answer
        // Later queries begin with another server until this one's turn comes again.
        this.servers = [...this.servers.filter((other) => other !== server), server]
      }
      return undefined
    } finally {
      this.pending--
    }
  }

  private async askOne(query: Buffer, server: Server, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const { clock, random } = this.options.ports
    const sent = Buffer.from(query)
    // A fresh id and a fresh source port: what a client can guess of its own query says nothing about ours.
    sent.writeUInt16BE(Math.floor(random.next() * 65_536), 0)
    const exchange = transport === 'udp' ? overUdp(sent, server) : overTcp(sent, server)
    const timer = clock.after(TIMEOUT_MS, exchange.cancel)
    const answer = await exchange.answer
    timer.cancel()
    if (answer === undefined) return undefined
    const copy = Buffer.from(answer)
    query.copy(copy, 0, 0, 2)
    return copy
  }

  private async current(): Promise<readonly Server[]> {
    const now = this.options.ports.clock.now()
    if (now - this.readAt < REREAD_MS) return this.servers
    this.readAt = now
    const found = parseResolvConf(await readFile(this.options.resolvConf, 'utf8').catch(() => ''), this.options.except)
    const same =
      found.length === this.servers.length && found.every((one) => this.servers.some((had) => sameServer(one, had)))
    if (!same) this.servers = found
    return this.servers
  }
}

export interface Server {
  readonly address: string
  readonly port: number
}

/** Of "nameserver 10.0.0.2"; "10.0.0.2:5353" is Wherry's own, for tests without port 53. */
export function parseResolvConf(text: string, except: readonly string[]): Server[] {
  const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].flatMap(([, where = '']): Server[] => {
    if (isIP(where.split('%')[0] ?? '') !== 0) return [{ address: where, port: DNS_PORT }]
    const [, address = '', port] = /^([\d.]+):(\d+)$/.exec(where) ?? []
    return isIP(address) === 4 ? [{ address, port: Number(port) }] : []
  })
  return servers.filter(({ address }) => !except.includes(address)).slice(0, MAX_SERVERS)
}

function sameServer(a: Server, b: Server): boolean {
  return a.address === b.address && a.port === b.port
}

interface Exchange {
  readonly answer: Promise<Buffer | undefined>
  readonly cancel: () => void
}

function overUdp(query: Buffer, server: Server): Exchange {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const socket = createSocket(isIPv6(server.address.split('%')[0] ?? '') ? 'udp6' : 'udp4')
  const finish = (answer: Buffer | undefined) => {
    socket.removeAllListeners()
    socket.on('error', () => {})
    socket.close()
    resolve(answer)
  }
  let open = true
  const once = (answer: Buffer | undefined) => {
    if (!open) return
    open = false
    finish(answer)
  }
  // Connected, so that only this server's answers arrive, and its refusal is heard at once.
  socket.on('connect', () => socket.send(query))
  socket.on('message', (message) => {
    if (message.length >= 12 && message.readUInt16BE(0) === query.readUInt16BE(0)) once(message)
  })
  socket.on('error', () => once(undefined))
  socket.connect(server.port, server.address)
  return { answer: promise, cancel: () => once(undefined) }
}

function overTcp(query: Buffer, server: Server): Exchange {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  const socket = connect(server.port, server.address)
  let received = Buffer.alloc(0)
  const once = (answer: Buffer | undefined) => {
    socket.destroy()
    resolve(answer)
  }
  socket.on('connect', () => socket.write(framed(query)))
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    const length = received.length < 2 ? undefined : received.readUInt16BE(0)
    if (length !== undefined && received.length >= length + 2) once(received.subarray(2, length + 2))
  })
  socket.on('error', () => once(undefined))
  socket.on('close', () => once(undefined))
  return { answer: promise, cancel: () => once(undefined) }
}

/** A message as it goes over TCP: its length in front, two bytes. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length, 0)
  return Buffer.concat([length, message])
}
