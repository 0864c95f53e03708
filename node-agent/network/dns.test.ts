import { describe, expect, test } from '@jest/globals'
import type { EndpointSlice, Service } from '../../core/kinds/types.ts'
import { Directory, resolve, type Zone } from './dns.ts'

const zone: Zone = { domain: 'cluster.local', clusterDNS: '10.96.0.10', ranges: ['10.96.0.0/16', '10.244.0.0/24'] }
const directory = new Directory()

function service(name: string, spec: Service['spec']): void {
  directory.setService(`default/${name}`, { metadata: { name, namespace: 'default' }, spec })
}

function slice(name: string, endpoints: EndpointSlice['endpoints'], ports: EndpointSlice['ports']): void {
  directory.setSlice(`default/${name}-1`, {
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints,
    ports
  })
}

service('web', {
  clusterIP: '10.96.0.20',
  ports: [
    { name: 'http', port: 80, protocol: 'TCP' },
    { name: 'dns', port: 53, protocol: 'UDP' }
  ]
})
slice('web', [{ addresses: ['10.244.0.2'] }], [{ name: 'http', port: 8080, protocol: 'TCP' }])
service('db', { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] })
slice(
  'db',
  [
    { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.244.0.6'] },
    { addresses: ['10.244.0.7'], hostname: 'db-2', conditions: { ready: false } }
  ],
  [{ name: 'sql', port: 5432, protocol: 'TCP' }]
)
service('idle', { clusterIP: 'None' })
service('portless', { clusterIP: 'None' })
slice('portless', [{ addresses: ['10.244.0.8'] }], [])
service('away', { type: 'ExternalName', externalName: 'example.org.' })

/** "answers" as text: type and data; or the code, with the number of SOA records. */
function ask(name: string, type: string): string[] {
  const found = resolve({ name, type }, directory, zone)
  if (found === undefined) return ['upstream']
  if (found.answers.length === 0) return [found.rcode, ...found.authorities.map((record) => record.type)]
  return found.answers.map((answer) => {
    expect(answer.name).toBe(name)
    const data = (answer as { data: unknown }).data
    return `${answer.type} ${typeof data === 'string' ? data : Object.values(data as object).join(' ')}`
  })
}

describe('names', () => {
  test.each<[string, string, string[]]>([
    ['web.default.svc.cluster.local', 'A', ['A 10.96.0.20']],
    ['WeB.Default.SVC.cluster.LOCAL', 'A', ['A 10.96.0.20']],
    ['web.default.svc.cluster.local', 'AAAA', ['NOERROR', 'SOA']],
    ['web.default.svc.cluster.local', 'TXT', ['NOERROR', 'SOA']],
    ['web.other.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['nope.default.svc.cluster.local', 'AAAA', ['NXDOMAIN', 'SOA']],
    ['web.default.svc.cluster.local.default.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['_http._tcp.web.default.svc.cluster.local', 'SRV', ['SRV web.default.svc.cluster.local 80 100 0']],
    ['_dns._udp.web.default.svc.cluster.local', 'SRV', ['SRV web.default.svc.cluster.local 53 100 0']],
    ['_http._udp.web.default.svc.cluster.local', 'SRV', ['NXDOMAIN', 'SOA']],
    ['_http._tcp.web.default.svc.cluster.local', 'A', ['NOERROR', 'SOA']],
    ['10-244-0-2.web.default.svc.cluster.local', 'A', ['A 10.244.0.2']],
    ['db.default.svc.cluster.local', 'A', ['A 10.244.0.5', 'A 10.244.0.6']],
    ['db-0.db.default.svc.cluster.local', 'A', ['A 10.244.0.5']],
    ['10-244-0-6.db.default.svc.cluster.local', 'A', ['A 10.244.0.6']],
    ['10-244-0-5.db.default.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['db-2.db.default.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    [
      '_sql._tcp.db.default.svc.cluster.local',
      'SRV',
      ['SRV db-0.db.default.svc.cluster.local 5432 50 0', 'SRV 10-244-0-6.db.default.svc.cluster.local 5432 50 0']
    ],
    ['idle.default.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['portless.default.svc.cluster.local', 'A', ['A 10.244.0.8']],
    ['away.default.svc.cluster.local', 'A', ['CNAME example.org']],
    ['away.default.svc.cluster.local', 'CNAME', ['CNAME example.org']],
    ['x.away.default.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['default.svc.cluster.local', 'A', ['NOERROR', 'SOA']],
    ['other.svc.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['svc.cluster.local', 'A', ['NOERROR', 'SOA']],
    ['cluster.local', 'A', ['NOERROR', 'SOA']],
    ['cluster.local', 'NS', ['NS ns.dns.cluster.local']],
    ['ns.dns.cluster.local', 'A', ['A 10.96.0.10']],
    ['dns-version.cluster.local', 'TXT', ['TXT 1.1.0']],
    ['example.org.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['10-244-0-9.default.pod.cluster.local', 'A', ['A 10.244.0.9']],
    ['10-244-0-9.default.pod.cluster.local', 'AAAA', ['NOERROR', 'SOA']],
    ['fd00--1.default.pod.cluster.local', 'AAAA', ['AAAA fd00::1']],
    ['300-244-0-9.default.pod.cluster.local', 'A', ['NXDOMAIN', 'SOA']],
    ['20.0.96.10.in-addr.arpa', 'PTR', ['PTR web.default.svc.cluster.local']],
    ['5.0.244.10.in-addr.arpa', 'PTR', ['PTR db-0.db.default.svc.cluster.local']],
    ['2.0.244.10.in-addr.arpa', 'PTR', ['PTR 10-244-0-2.web.default.svc.cluster.local']],
    ['99.0.244.10.in-addr.arpa', 'PTR', ['NXDOMAIN', 'SOA']],
    ['8.8.8.8.in-addr.arpa', 'PTR', ['upstream']],
    ['x.0.96.10.in-addr.arpa', 'PTR', ['upstream']],
    ['example.org', 'A', ['upstream']],
    ['mycluster.local', 'A', ['upstream']],
    ['', 'A', ['upstream']]
  ])('%s %s', (name, type, expected) => expect(ask(name, type)).toEqual(expected))

  test('the targets of SRV records come with their addresses', () => {
    const found = resolve({ name: '_sql._tcp.db.default.svc.cluster.local', type: 'SRV' }, directory, zone)
    expect(found?.additionals.map((record) => [record.name, (record as { data: unknown }).data])).toEqual([
      ['db-0.db.default.svc.cluster.local', '10.244.0.5'],
      ['10-244-0-6.db.default.svc.cluster.local', '10.244.0.6']
    ])
  })

  test('what has gone is not answered', () => {
    const brief = new Directory()
    const at = { metadata: { name: 's', namespace: 'x' }, spec: { clusterIP: '10.96.0.50' } }
    brief.setService('x/s', at)
    brief.setService('x/s', { ...at, spec: { clusterIP: '10.96.0.51' } })
    const rcode = (name: string, type: string) => resolve({ name, type }, brief, zone)?.rcode
    expect(rcode('50.0.96.10.in-addr.arpa', 'PTR')).toBe('NXDOMAIN')
    expect(rcode('51.0.96.10.in-addr.arpa', 'PTR')).toBe('NOERROR')
    brief.setService('x/s', undefined)
    expect(rcode('51.0.96.10.in-addr.arpa', 'PTR')).toBe('NXDOMAIN')
    expect(rcode('s.x.svc.cluster.local', 'A')).toBe('NXDOMAIN')
    expect(rcode('x.svc.cluster.local', 'A')).toBe('NXDOMAIN')
  })
})
