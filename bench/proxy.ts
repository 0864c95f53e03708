/**
 * How long the kernel needs for the service proxy's table: 1,000 services of 3 endpoints at once, then one endpoint more.
 * Runs in a network namespace of its own; needs root and nftables. Usage: node bench/proxy.ts [SERVICES]
 */
import type { EndpointSlice } from '../core/kinds/types.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { ServiceProxy } from '../node-agent/network/proxy.ts'
import { ProxyApplier } from '../node-agent/network/proxy-apply.ts'
import { run } from '../node-agent/network/run.ts'

const count = Number(process.argv[2] ?? 1000)
const namespace = `wherry-bench-${process.pid}`
const ENDPOINTS = 3
const ROUNDS = 20

function slice(index: number, endpoints: number): EndpointSlice {
  return {
    metadata: { name: `s${index}-1`, namespace: 'd', labels: { 'kubernetes.io/service-name': `s${index}` } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, i) => ({
      addresses: [`10.244.${index >> 6}.${(index & 63) * 4 + i}`]
    }))
  }
}

await run(['ip', 'netns', 'add', namespace])
const proxy = new ServiceProxy({ nodeName: 'n', podCIDR: '10.244.0.0/24', clusterDNS: '10.96.0.10' })
const applier = new ProxyApplier({
  config: { table: 'wherry', podCIDR: '10.244.0.0/24', serviceCIDR: '10.96.0.0/16' },
  proxy,
  run: (argv, input) => run(['ip', 'netns', 'exec', namespace, ...argv], input),
  ports: systemPorts(silentLog)
})
try {
  for (let i = 0; i < count; i++) {
    const clusterIP = `10.96.${1 + (i >> 8)}.${i & 255}`
    proxy.setService(`d/s${i}`, {
      metadata: { name: `s${i}`, namespace: 'd' },
      spec: { clusterIP, ports: [{ port: 80 }] }
    })
    proxy.setSlice(`d/s${i}-1`, slice(i, ENDPOINTS))
  }
  const keepAlive = setInterval(() => {}, 1000)
  let start = performance.now()
  applier.start()
  await applier.applied()
  console.log(`${count} services of ${ENDPOINTS} endpoints: ${(performance.now() - start).toFixed(0)} ms`)
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    proxy.setSlice('d/s7-1', slice(7, round % 2 === 0 ? ENDPOINTS + 1 : ENDPOINTS))
    start = performance.now()
    await applier.applied()
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  console.log(`one changed: median ${times[ROUNDS / 2]?.toFixed(0)} ms, longest ${times.at(-1)?.toFixed(0)} ms`)
  clearInterval(keepAlive)
} finally {
  await applier.close()
  await run(['ip', 'netns', 'delete', namespace])
}
