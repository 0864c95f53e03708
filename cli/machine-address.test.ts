import { chooseAddress, defaultLink } from './machine-address.ts'

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
const line = (link: string, destination: string, metric: number, mask: string) =>
  `${link}\t${destination}\t010200C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0`

test.each([
  ['one default route', [line('eth0', '00000000', 0, '00000000')], 'eth0'],
  ['the lower metric', [line('wlan0', '00000000', 600, '00000000'), line('eth1', '00000000', 100, '00000000')], 'eth1'],
  ['half of everything is no default', [line('tun0', '00000000', 0, '00000080')], undefined],
  ['none', [line('eth0', '000200C0', 0, '00FFFFFF')], undefined],
  ['an empty table', [], undefined]
] as const)('the default link: %s', (_what, lines, link) => {
  expect(defaultLink([HEAD, ...lines, ''].join('\n'))).toBe(link)
})

const own = { link: 'wherry0', address: '10.96.0.10' }
const veth = { link: 'veth1234', address: '10.244.0.1' }
const first = { link: 'eth0', address: '192.0.2.2' }
const second = { link: 'wlan0', address: '198.51.100.7' }

test.each([
  ['the preferred link', [first, second], 'wlan0', '198.51.100.7'],
  ['the first one where the preferred has none', [first, second], 'eth9', '192.0.2.2'],
  ['never a cluster or a pod', [own, veth, second], undefined, '198.51.100.7'],
  ['loopback where there is nothing else', [own, veth], undefined, '127.0.0.1']
] as const)('the address of the machine: %s', (_what, addresses, preferred, expected) => {
  expect(chooseAddress(addresses, preferred)).toBe(expected)
})
