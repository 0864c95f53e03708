import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Lab, missing, NODE_IP, OUTSIDE_IP, type Peer } from './fixture/namespaces.ts'
import { macOf, OverlayRoutes, overlayMtu, overlayName, setUpOverlay, tearDownOverlay } from './overlay.ts'

test.each([
  ['10.244.1.0/24', '02:57:0a:f4:01:00'],
  ['192.168.255.0/26', '02:57:c0:a8:ff:00']
])('the MAC address of %s', (range, mac) => {
  expect(macOf(range)).toBe(mac)
})

test('the name of the link fits', () => {
  expect(overlayName('wherry')).toBe('wherryvx')
  expect(overlayName('wherry-with-a-long-name')).toHaveLength(15)
})

const why = missing()
const lacking = why !== undefined && process.env.CI !== '1'
if (lacking) console.warn(`skipped: ${why}`)
const suite = lacking ? describe.skip : describe

suite('two nodes between which only their own addresses are known', () => {
  const lab = new Lab('ov')
  const here = { clusterName: 'wherry', podCIDR: '10.244.0.0/24', nodeIP: NODE_IP }
  const there = { clusterName: 'wherry', podCIDR: '10.244.1.0/24', nodeIP: OUTSIDE_IP }
  const REMOTE = '10.244.1.2'
  let pod: Peer
  let node: Peer
  let remote: Peer
  const hereRoutes = new OverlayRoutes(here, lab.run)
  const thereRoutes = new OverlayRoutes(there, lab.outside)

  beforeAll(async () => {
    if (lacking) return
    if (why !== undefined) throw new Error(why)
    const peers = await lab.open()
    node = peers.node
    remote = peers.outside
    pod = await lab.pod(2)
    await lab.run(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1'])
    // As in a VPC: what is not between the instances' own addresses does not arrive.
    const filter = `add table ip vpc
add chain ip vpc in { type filter hook prerouting priority raw; policy accept; }
add rule ip vpc in iifname != { "lo", "wherryvx", "w2" } ip saddr != 192.168.77.0/24 drop
add rule ip vpc in iifname != { "lo", "wherryvx", "w2" } ip daddr != 192.168.77.0/24 drop
`
    for (const run of [lab.run, lab.outside]) expect(await run(['nft', '-f', '-'], filter)).toMatchObject({ code: 0 })
    await lab.outside(['ip', 'route', 'delete', 'default'])
    await lab.outside(['ip', 'address', 'add', `${REMOTE}/32`, 'dev', 'lo'])
    await remote.do('listen', { port: 8080 })
    await setUpOverlay(here, lab.run)
    await setUpOverlay(there, lab.outside)
  }, 30_000)

  afterAll(async () => {
    if (!lacking) await lab.close()
  }, 30_000)

  const bothKnow = async () => {
    await hereRoutes.set(new Map([[there.podCIDR, OUTSIDE_IP]]))
    await thereRoutes.set(new Map([[here.podCIDR, NODE_IP]]))
  }
  const hello = { host: REMOTE, port: 8080 }

  test('reach each other once they know of each other, with the pods addresses kept', async () => {
    await bothKnow()
    expect(await pod.do('ask', hello)).toBe('outside 10.244.0.2')
    expect(await node.do('ask', hello)).toBe('outside 10.244.0.0')
    expect(await pod.do('ask', { ...hello, hold: 'big' })).toBe('outside 10.244.0.2')
    const text = 'x'.repeat(4_000)
    expect((await pod.do<string>('echo', { hold: 'big', text })).length).toBeGreaterThan(0)
  })

  test('packets of a pod fit into the link when they are wrapped', async () => {
    expect(await overlayMtu(NODE_IP, lab.run)).toBe(1450)
    const { stdout } = await lab.run(['ip', '-o', 'link', 'show', 'dev', 'wherryvx'])
    expect(stdout).toContain(' mtu 1450 ')
  })

  test('it is the same however often it is said, and right again after somebody took it away', async () => {
    const state = async () =>
      (await lab.run(['sh', '-c', `ip -4 route show dev wherryvx; bridge fdb show dev wherryvx`])).stdout
    const before = await state()
    await bothKnow()
    expect(await state()).toBe(before)
    await lab.run(['ip', 'link', 'delete', 'wherryvx'])
    await bothKnow()
    expect(await state()).toBe(before)
    expect(await pod.do('ask', hello)).toBe('outside 10.244.0.2')
  })

  test('a node of another range, and one that is gone', async () => {
    const other = { ...there, podCIDR: '10.244.9.0/24' }
    const routes = new OverlayRoutes(other, lab.outside)
    await lab.outside(['ip', 'address', 'add', '10.244.9.2/32', 'dev', 'lo'])
    await routes.set(new Map([[here.podCIDR, NODE_IP]]))
    await hereRoutes.set(new Map([[other.podCIDR, OUTSIDE_IP]]))
    expect(await pod.do('ask', { host: '10.244.9.2', port: 8080 })).toBe('outside 10.244.0.2')
    expect((await lab.run(['ip', 'route', 'get', REMOTE])).stdout).not.toContain('wherryvx')
    await hereRoutes.set(new Map())
    expect((await lab.run(['ip', '-4', 'route', 'show', 'dev', 'wherryvx'])).stdout).toBe('')
    expect((await lab.run(['bridge', 'fdb', 'show', 'dev', 'wherryvx'])).stdout).not.toContain(OUTSIDE_IP)
  })

  test('nothing is left behind', async () => {
    await tearDownOverlay(here, lab.run)
    await tearDownOverlay(here, lab.run)
    expect((await lab.run(['ip', '-o', 'link'])).stdout).not.toContain('wherryvx')
    expect((await lab.run(['ip', 'neighbour'])).stdout).not.toContain('02:57:')
  })
})
