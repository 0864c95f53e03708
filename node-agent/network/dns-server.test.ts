import { createSocket } from 'node:dgram'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import packet, { type Answer, type DecodedPacket, type StringAnswer } from 'dns-packet'
import fc from 'fast-check'
import type { Endpoint } from '../../core/kinds/types.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { Directory } from './dns.ts'
import { DnsServer } from './dns-server.ts'
import { framed, parseResolvConf } from './dns-upstream.ts'

const ports = systemPorts(silentLog)
const zone = { domain: 'cluster.local', clusterDNS: '10.96.0.10', ranges: ['10.96.0.0/16'] }
const directory = new Directory()
let synced = true
let server: DnsServer
let port: number
let dir: string
const opened: { close(): void }[] = []

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wherry-dns-'))
  server = serverWith('')
  port = await server.listen('127.0.0.1', 0)
  directory.setService('default/web', {
    metadata: { name: 'web', namespace: 'default' },
    spec: { clusterIP: '10.96.0.20' }
  })
  directory.setService('default/big', { metadata: { name: 'big', namespace: 'default' }, spec: { clusterIP: 'None' } })
  directory.setSlice('default/big-1', {
    metadata: { name: 'big-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'big' } },
    addressType: 'IPv4',
    ports: [{ name: 'a', port: 80, protocol: 'TCP' }],
    endpoints: Array.from({ length: 100 }, (_, i): Endpoint => ({ addresses: [`10.244.0.${i + 1}`] }))
  })
})

afterEach(() => {
  for (const one of opened.splice(0)) one.close()
  synced = true
})

afterAll(async () => {
  await server.close()
  await rm(dir, { recursive: true })
})

let files = 0
function serverWith(resolvConf: string): DnsServer {
  return new DnsServer({ directory, zone, ports, synced: () => synced, upstreamResolvConf: conf(resolvConf) })
}

function conf(text: string): string {
  const path = join(dir, `resolv-${files++}.conf`)
  pending.push(writeFile(path, text))
  return path
}
const pending: Promise<void>[] = []

function query(name: string, type: string, extra: Partial<packet.Packet> = {}): Buffer {
  return packet.encode({
    type: 'query',
    id: 4711,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type: type as 'A' }],
    ...extra
  })
}

function overUdp(message: Buffer, to = port): Promise<DecodedPacket> {
  const socket = createSocket('udp4')
  opened.push(socket)
  return new Promise((resolve) => {
    socket.on('message', (answer) => resolve(packet.decode(answer)))
    socket.send(message, to, '127.0.0.1')
  })
}

function tcp(): Socket {
  const socket = connect(port, '127.0.0.1')
  opened.push({ close: () => socket.destroy() })
  return socket
}

function overTcp(...messages: Buffer[]): Promise<DecodedPacket[]> {
  const socket = tcp()
  const answers: DecodedPacket[] = []
  let received = Buffer.alloc(0)
  return new Promise((resolve) => {
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        answers.push(packet.decode(received.subarray(2, received.readUInt16BE(0) + 2)))
        received = received.subarray(received.readUInt16BE(0) + 2)
      }
      if (answers.length === messages.length) resolve(answers)
    })
    for (const message of messages) socket.write(framed(message))
  })
}

/** A name server somewhere else: answers each name with one address, or never. */
function upstream(respond: (name: string) => Answer[] | undefined): Promise<number> {
  const socket = createSocket('udp4')
  opened.push(socket)
  socket.on('message', (message, client) => {
    const asked = packet.decode(message)
    const answers = respond(asked.questions?.[0]?.name ?? '')
    if (answers === undefined) return
    const answer = packet.encode({ type: 'response', id: asked.id ?? 0, questions: asked.questions ?? [], answers })
    socket.send(answer, client.port, client.address)
  })
  return new Promise((resolve) => socket.bind(0, '127.0.0.1', () => resolve(socket.address().port)))
}

const addressesIn = (answer: DecodedPacket) => (answer.answers ?? []).map((one) => (one as StringAnswer).data)

describe('the server', () => {
  test('answers over UDP with the id, the flags and the case of the question', async () => {
    const answer = await overUdp(query('Web.Default.svc.cluster.local', 'A'))
    expect(answer).toMatchObject({
      id: 4711,
      rcode: 'NOERROR',
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      flag_tc: false
    })
    expect(answer.questions).toMatchObject([{ name: 'Web.Default.svc.cluster.local', type: 'A' }])
    expect(answer.answers).toMatchObject([
      { name: 'Web.Default.svc.cluster.local', type: 'A', ttl: 5, data: '10.96.0.20' }
    ])
  })

  test('answers over TCP, several queries on one connection', async () => {
    const answers = await overTcp(
      query('web.default.svc.cluster.local', 'A'),
      query('big.default.svc.cluster.local', 'A')
    )
    const sizes = answers.map((answer) => answer.answers?.length)
    expect(sizes.sort()).toEqual([1, 100])
    expect(answers.some((answer) => answer.flag_tc)).toBe(false)
  })

  test('over UDP what does not fit is cut off and marked; EDNS makes room', async () => {
    const plain = await overUdp(query('big.default.svc.cluster.local', 'A'))
    expect(plain.flag_tc).toBe(true)
    expect(plain.answers?.length).toBeGreaterThan(5)
    expect(packet.encode(plain as packet.Packet).length).toBeLessThanOrEqual(512)
    const opt: Answer = {
      name: '.',
      type: 'OPT',
      udpPayloadSize: 4096,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: []
    }
    const wide = await overUdp(query('big.default.svc.cluster.local', 'A', { additionals: [opt] }))
    expect(wide.flag_tc).toBe(true)
    expect(wide.answers?.length).toBeGreaterThan(plain.answers?.length ?? 0)
    expect(wide.additionals).toMatchObject([{ type: 'OPT' }])
    expect(packet.encode(wide as packet.Packet).length).toBeLessThanOrEqual(1232)
  })

  test('no such name and no such record', async () => {
    const none = await overUdp(query('nope.default.svc.cluster.local', 'A'))
    expect(none).toMatchObject({
      rcode: 'NXDOMAIN',
      answers: [],
      authorities: [{ type: 'SOA', name: 'cluster.local', ttl: 5 }]
    })
    const empty = await overUdp(query('web.default.svc.cluster.local', 'AAAA'))
    expect(empty).toMatchObject({ rcode: 'NOERROR', answers: [], authorities: [{ type: 'SOA' }] })
  })

  test('before it knows all services it says so, instead of denying one', async () => {
    synced = false
    expect(await overUdp(query('web.default.svc.cluster.local', 'A'))).toMatchObject({ rcode: 'SERVFAIL' })
  })

  test('other names go to the machine’s resolvers, the next one when the first is silent', async () => {
    const silent = await upstream(() => undefined)
    const speaking = await upstream((name) => [{ name, type: 'A', ttl: 60, data: '192.0.2.9' }])
    const forwarding = serverWith(`nameserver 127.0.0.1:${silent}\nnameserver 127.0.0.1:${speaking}\n`)
    await Promise.all(pending)
    const at = await forwarding.listen('127.0.0.1', 0)
    opened.push({ close: () => void forwarding.close() })
    const answer = await overUdp(query('example.org', 'A'), at)
    expect(answer.id).toBe(4711)
    expect(addressesIn(answer)).toEqual(['192.0.2.9'])
  })

  test('no resolver: SERVFAIL', async () => {
    expect(await overUdp(query('example.org', 'A'))).toMatchObject({ id: 4711, rcode: 'SERVFAIL' })
    expect((await overTcp(query('example.org', 'A')))[0]).toMatchObject({ rcode: 'SERVFAIL' })
  })

  test('an ExternalName comes with the addresses behind it, within the cluster or without', async () => {
    const other = await upstream((name) => [{ name, type: 'A', ttl: 60, data: '192.0.2.9' }])
    const forwarding = serverWith(`nameserver 127.0.0.1:${other}\n`)
    await Promise.all(pending)
    const at = await forwarding.listen('127.0.0.1', 0)
    opened.push({ close: () => void forwarding.close() })
    const alias = (name: string, externalName: string) =>
      directory.setService(`default/${name}`, {
        metadata: { name, namespace: 'default' },
        spec: { type: 'ExternalName', externalName }
      })
    alias('out', 'example.org')
    alias('in', 'web.default.svc.cluster.local')
    alias('loop', 'loop.default.svc.cluster.local')
    expect(addressesIn(await overUdp(query('out.default.svc.cluster.local', 'A'), at))).toEqual([
      'example.org',
      '192.0.2.9'
    ])
    expect(addressesIn(await overUdp(query('in.default.svc.cluster.local', 'A'), at))).toEqual([
      'web.default.svc.cluster.local',
      '10.96.0.20'
    ])
    expect(await overUdp(query('loop.default.svc.cluster.local', 'A'), at)).toMatchObject({ rcode: 'NOERROR' })
  })

  test('two questions, an unknown operation, another class: refused by name', async () => {
    const two = query('a.cluster.local', 'A')
    two.writeUInt16BE(2, 4)
    expect(await overUdp(two)).toMatchObject({ id: 4711, rcode: 'FORMERR' })
    const update = query('a.cluster.local', 'A')
    update.writeUInt8(0x28, 2)
    expect(await overUdp(update)).toMatchObject({ rcode: 'NOTIMP' })
    const chaos = packet.encode({
      type: 'query',
      id: 1,
      questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }]
    })
    expect(await overUdp(chaos)).toMatchObject({ rcode: 'REFUSED' })
  })

  test('no message makes it fail or answer an answer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), fc.nat(30), async (noise, offset) => {
        const spoilt = query('web.default.svc.cluster.local', 'A')
        spoilt.set(noise.subarray(0, Math.max(0, spoilt.length - offset)), Math.min(offset, spoilt.length - 1) % 12)
        for (const message of [Buffer.from(noise), spoilt]) {
          const answer = await server.answer(message, 'udp')
          if (answer === undefined) continue
          expect(answer.readUInt16BE(0)).toBe(message.readUInt16BE(0))
          expect(answer.readUInt8(2) & 0x80).toBe(0x80)
          expect(answer.length).toBeLessThanOrEqual(1232)
        }
      }),
      { numRuns: 500 }
    )
    expect(await server.answer(Buffer.alloc(5), 'udp')).toBeUndefined()
    const response = query('web.default.svc.cluster.local', 'A')
    response.writeUInt8(0x81, 2)
    expect(await server.answer(response, 'udp')).toBeUndefined()
  })

  test('a client that sends half a message and goes does no harm', async () => {
    const socket = tcp()
    await new Promise<void>((resolve) => socket.write(Buffer.from([0, 50, 1, 2]), () => resolve()))
    socket.destroy()
    expect(addressesIn(await overUdp(query('web.default.svc.cluster.local', 'A')))).toEqual(['10.96.0.20'])
  })

  test('clients are spread over the addresses of a headless service', async () => {
    const first = new Set<unknown>()
    for (let i = 0; i < 20; i++) first.add(addressesIn(await overUdp(query('big.default.svc.cluster.local', 'A')))[0])
    expect(first.size).toBeGreaterThan(3)
  })
})

test('resolv.conf', () => {
  const text =
    '# nameserver 9.9.9.9\nsearch x\nnameserver 10.0.0.1\n nameserver fe80::1%eth0\nnameserver 10.96.0.10\nnameserver junk\nnameserver 10.0.0.2\nnameserver 10.0.0.3'
  expect(parseResolvConf(text, ['10.96.0.10']).map((server) => server.address)).toEqual([
    '10.0.0.1',
    'fe80::1%eth0',
    '10.0.0.2'
  ])
})
