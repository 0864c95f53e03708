import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import packet, { type Answer, type DecodedPacket, type OptAnswer } from 'dns-packet'
import type { Ports } from '../../core/ports.ts'
import { type Directory, type Question, type Resolution, resolve, type Zone } from './dns.ts'
import { framed, Upstream } from './dns-upstream.ts'

export interface DnsOptions {
  readonly directory: Directory
  readonly zone: Zone
  readonly upstreamResolvConf: string
  readonly ports: Ports
  /** Before the directory is complete, a name that is missing may exist: the cluster's names get SERVFAIL. */
  readonly synced: () => boolean
}

const NO_ERROR = 0
const FORMAT_ERROR = 1
const SERVER_FAILURE = 2
const NAME_ERROR = 3
const NOT_IMPLEMENTED = 4
const REFUSED = 5

const CLASS_IN = 'IN'

/** Bytes over UDP: without EDNS, and the most that does not fragment (DNS flag day 2020). */
const PLAIN_UDP_SIZE = 512
const MAX_UDP_SIZE = 1232
const MAX_TCP_SIZE = 65_535

const TCP_IDLE_MS = 10_000
const MAX_TCP_CLIENTS = 500
/** A client may send queries without waiting for answers; beyond this it waits. */
const MAX_TCP_PIPELINED = 32

/** ExternalName services may name each other. */
const MAX_FOLLOWED = 8

type Transport = 'udp' | 'tcp'

/** The cluster's DNS server on one address, over UDP and TCP. */
const MAX_TRIES = 20

export class DnsServer {
  private readonly options: DnsOptions
  private readonly upstream: Upstream
  private udp: UdpSocket | undefined
  private tcp: Server | undefined
  private readonly clients = new Set<Socket>()

  constructor(options: DnsOptions) {
    this.options = options
    const { upstreamResolvConf: resolvConf, zone, ports } = options
    this.upstream = new Upstream({ resolvConf, except: [zone.clusterDNS], ports })
  }

  /** Returns the port; 0 asks for any that is free. Throws where the address cannot be had. */
  async listen(address: string, port: number): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.listenOnce(address, port)
      } catch (error) {
        // What is free for UDP may be taken for TCP.
        if (port !== 0 || tries === MAX_TRIES) throw error
      }
    }
  }

  private async listenOnce(address: string, port: number): Promise<number> {
    const udp = createSocket('udp4')
    const tcp = createServer((socket) => this.serveTcp(socket))
    try {
      await started(udp, () => udp.bind(port, address))
      const bound = udp.address().port
      await started(tcp, () => tcp.listen(bound, address))
      udp.on('message', (query, client) => {
        void this.answer(query, 'udp').then((answer) => {
          if (answer !== undefined && this.udp === udp) udp.send(answer, client.port, client.address, () => {})
        })
      })
      udp.on('error', (error) => this.options.ports.log.warn({ err: error }, 'DNS over UDP'))
      tcp.on('error', (error) => this.options.ports.log.warn({ err: error }, 'DNS over TCP'))
      this.udp = udp
      this.tcp = tcp
      return bound
    } catch (error) {
      udp.close()
      tcp.close()
      throw error
    }
  }

  async close(): Promise<void> {
    const { udp, tcp } = this
    this.udp = undefined
    this.tcp = undefined
    for (const client of this.clients) client.destroy()
    await Promise.all([
      new Promise<void>((done) => (udp === undefined ? done() : udp.close(() => done()))),
      new Promise<void>((done) => (tcp === undefined ? done() : tcp.close(() => done())))
    ])
  }

  /** Never throws. undefined: not even a header, or itself an answer; silence is the only safe reply. */
  async answer(query: Buffer, transport: Transport): Promise<Buffer | undefined> {
    if (query.length < 12 || (query.readUInt8(2) & 0x80) !== 0) return undefined
    try {
      return await this.answerDecoded(query, transport)
    } catch (error) {
      this.options.ports.log.debug({ err: error }, 'a DNS query was not understood')
      return headerOnly(query, FORMAT_ERROR)
    }
  }

  private async answerDecoded(query: Buffer, transport: Transport): Promise<Buffer | undefined> {
    if (((query.readUInt8(2) >> 3) & 0x0f) !== 0) return headerOnly(query, NOT_IMPLEMENTED)
    if (query.readUInt16BE(4) !== 1) return headerOnly(query, FORMAT_ERROR)
    const decoded = packet.decode(query)
    const question = decoded.questions?.[0]
    if (question === undefined) return headerOnly(query, FORMAT_ERROR)
    if ((question.class ?? CLASS_IN) !== CLASS_IN) return reply(decoded, { rcode: REFUSED, transport })
    const resolution = resolve(question, this.options.directory, this.options.zone)
    if (resolution === undefined)
      return (await this.upstream.ask(query, transport)) ?? reply(decoded, { rcode: SERVER_FAILURE, transport })
    if (!this.options.synced()) return reply(decoded, { rcode: SERVER_FAILURE, transport })
    const followed = await this.follow(question, resolution)
    return reply(decoded, {
      rcode: resolution.rcode === 'NXDOMAIN' ? NAME_ERROR : NO_ERROR,
      transport,
      resolution: { ...resolution, answers: this.shuffled([...resolution.answers, ...followed]) }
    })
  }

  /** The addresses behind an ExternalName. Where they cannot be had, the alias alone is the answer. */
  private async follow(question: Question, first: Resolution): Promise<Answer[]> {
    const found: Answer[] = []
    let name = first.follow
    for (let steps = 0; name !== undefined && steps < MAX_FOLLOWED; steps++) {
      const next = resolve({ name, type: question.type }, this.options.directory, this.options.zone)
      if (next === undefined) return [...found, ...(await this.askUpstream(name, question.type))]
      found.push(...next.answers)
      name = next.follow
    }
    return found
  }

  private async askUpstream(name: string, type: string): Promise<Answer[]> {
    const query = packet.encode({
      type: 'query',
      id: 0,
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type: type as 'A' }]
    })
    const answer = await this.upstream.ask(query, 'udp')
    if (answer === undefined) return []
    const truncated = (answer.readUInt8(2) & 0x02) !== 0
    const whole = truncated ? ((await this.upstream.ask(query, 'tcp')) ?? answer) : answer
    try {
      return packet.decode(whole).answers ?? []
    } catch {
      return []
    }
  }

  /** Many clients take the first address: let it be another one each time. Aliases stay in front of their addresses. */
  private shuffled(answers: readonly Answer[]): readonly Answer[] {
    const last = answers.at(-1)
    if (answers.length < 2 || answers[0]?.type !== last?.type) return answers
    const start = Math.floor(this.options.ports.random.next() * answers.length)
    return [...answers.slice(start), ...answers.slice(0, start)]
  }

  private serveTcp(socket: Socket): void {
    if (this.clients.size >= MAX_TCP_CLIENTS) return void socket.destroy()
    this.clients.add(socket)
    const { clock } = this.options.ports
    let idle = clock.after(TCP_IDLE_MS, () => socket.destroy())
    let received = Buffer.alloc(0)
    let pending = 0
    const take = () => {
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2 && pending < MAX_TCP_PIPELINED) {
        const end = received.readUInt16BE(0) + 2
        const query = Buffer.from(received.subarray(2, end))
        received = received.subarray(end)
        pending++
        void this.answer(query, 'tcp').then((answer) => {
          pending--
          if (answer !== undefined && !socket.destroyed) socket.write(framed(answer))
          if (socket.isPaused()) socket.resume()
          take()
        })
      }
      if (pending >= MAX_TCP_PIPELINED) socket.pause()
    }
    socket.on('data', (chunk) => {
      idle.cancel()
      idle = clock.after(TCP_IDLE_MS, () => socket.destroy())
      received = Buffer.concat([received, chunk])
      take()
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      idle.cancel()
      this.clients.delete(socket)
    })
  }
}

function started(server: UdpSocket | Server, start: () => void): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail)
    server.once('listening', () => {
      server.removeListener('error', fail)
      done()
    })
    start()
  })
}

interface Reply {
  readonly rcode: number
  readonly transport: Transport
  readonly resolution?: Resolution
}

/** Too long for the transport: without the additional section; else as many answers as fit, marked as cut off. */
function reply(query: DecodedPacket, { rcode, transport, resolution }: Reply): Buffer {
  const opt = query.additionals?.find((record): record is OptAnswer => record.type === 'OPT')
  const asked = opt === undefined ? PLAIN_UDP_SIZE : Math.max(PLAIN_UDP_SIZE, opt.udpPayloadSize)
  const limit = transport === 'tcp' ? MAX_TCP_SIZE : Math.min(asked, MAX_UDP_SIZE)
  const edns: Answer[] =
    opt === undefined
      ? []
      : [
          {
            name: '.',
            type: 'OPT',
            udpPayloadSize: MAX_UDP_SIZE,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: []
          }
        ]
  const encode = (answers: readonly Answer[], additionals: readonly Answer[], flags: number) =>
    packet.encode({
      type: 'response',
      id: query.id ?? 0,
      flags:
        ((query.flags ?? 0) & packet.RECURSION_DESIRED) |
        packet.RECURSION_AVAILABLE |
        (resolution === undefined ? 0 : packet.AUTHORITATIVE_ANSWER) |
        flags |
        rcode,
      questions: query.questions ?? [],
      answers: [...answers],
      authorities: [...(resolution?.authorities ?? [])],
      additionals: [...additionals, ...edns]
    })
  const answers = resolution?.answers ?? []
  const whole = encode(answers, resolution?.additionals ?? [], 0)
  if (whole.length <= limit) return whole
  const bare = encode(answers, [], 0)
  if (bare.length <= limit) return bare
  const empty = encode([], [], 0).length
  let room = limit - empty
  const fitting = answers.filter((answer) => {
    room -= encode([answer], [], 0).length - empty
    return room >= 0
  })
  return encode(fitting, [], packet.TRUNCATED_RESPONSE)
}

/** Of a query that could not be read: its id, and what is wrong with it. */
function headerOnly(query: Buffer, rcode: number): Buffer {
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt8(0x80 | (query.readUInt8(2) & 0x79), 2)
  header.writeUInt8(0x80 | rcode, 3)
  return header
}
