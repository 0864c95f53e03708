import type { PodSpec } from '../../core/kinds/types.ts'
import { podOf } from '../pod/fixture.ts'
import { dnsOf, hostsFile, parseResolvConf } from './dns.ts'

const cluster = { clusterDNS: '10.96.0.10', clusterDomain: 'cluster.local' }
const host = parseResolvConf(
  '# made\nnameserver 1.1.1.1\nnameserver 9.9.9.9 ; x\nsearch lan corp.example\noptions edns0 ndots:2\n'
)
const inCluster = ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'lan', 'corp.example']

test.each<[string, Partial<PodSpec>, object]>([
  ['ClusterFirst', {}, { servers: ['10.96.0.10'], searches: inCluster, options: ['ndots:5'] }],
  ['on the host’s network the host’s', { hostNetwork: true }, host],
  [
    'unless asked for',
    { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
    { servers: ['10.96.0.10'], searches: inCluster, options: ['ndots:5'] }
  ],
  ['Default', { dnsPolicy: 'Default' }, host],
  [
    'None with a config',
    {
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['8.8.8.8'],
        searches: ['x'],
        options: [{ name: 'ndots', value: '1' }, { name: 'rotate' }]
      }
    },
    { servers: ['8.8.8.8'], searches: ['x'], options: ['ndots:1', 'rotate'] }
  ],
  [
    'a config adds to the policy',
    {
      dnsPolicy: 'Default',
      dnsConfig: { nameservers: ['8.8.8.8', '1.1.1.1', '7.7.7.7'], options: [{ name: 'ndots', value: '9' }] }
    },
    { servers: ['1.1.1.1', '9.9.9.9', '8.8.8.8'], searches: ['lan', 'corp.example'], options: ['edns0', 'ndots:9'] }
  ]
])('%s', (_, spec, expected) => expect(dnsOf(podOf(spec), cluster, host)).toEqual(expected))

test('the hosts file names the pod, its subdomain and its aliases', () => {
  const files = { clusterDomain: 'cluster.local', hostFile: '127.0.0.1 localhost\n' }
  const plain = hostsFile(podOf(), ['10.0.0.7'], files)
  expect(plain.startsWith('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n')).toBe(true)
  expect(plain.endsWith('10.0.0.7\tp\n')).toBe(true)
  const named = podOf({ hostname: 'h', subdomain: 'sub', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] })
  const text = hostsFile(named, ['10.0.0.7'], files)
  expect(text).toContain('10.0.0.7\th.sub.ns.svc.cluster.local\th\n')
  expect(text.endsWith('# Entries added by HostAliases.\n1.2.3.4\ta\tb\n')).toBe(true)
  expect(hostsFile(podOf({ hostNetwork: true }), [], files)).toBe(
    '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n'
  )
})
