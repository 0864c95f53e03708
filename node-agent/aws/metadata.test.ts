import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { metadataServer } from '../../test/aws/metadata-server.ts'
import { instanceArn, instanceFacts, instanceLabels, providerID } from './metadata.ts'

const instance = {
  id: 'i-0123456789abcdef0',
  zone: 'eu-central-1b',
  region: 'eu-central-1',
  type: 'm7g.large',
  privateIP: '10.0.3.4',
  account: '123456789012'
}
let server: Server
let endpoint: string
beforeAll(async () => {
  server = createServer(metadataServer(instance))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const ports = systemPorts(silentLog)

test('an instance knows what it is, by the second version of the service', async () => {
  expect(await instanceFacts({ endpoint, ports })).toEqual(instance)
  expect((await fetch(`${endpoint}/latest/meta-data/instance-id`)).status).toBe(401)
})

test('and what its node is called by it', () => {
  expect(providerID(instance)).toBe('aws:///eu-central-1b/i-0123456789abcdef0')
  expect(instanceArn(instance)).toBe('arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0')
  expect(instanceLabels(instance)).toEqual({
    'topology.kubernetes.io/zone': 'eu-central-1b',
    'topology.kubernetes.io/region': 'eu-central-1',
    'node.kubernetes.io/instance-type': 'm7g.large'
  })
})

test('a service that comes late is waited for; one that never comes is named', async () => {
  let calls = 0
  const after = (_: number, run: () => void) => {
    setImmediate(run)
    return { cancel: () => {} }
  }
  const clock = { now: () => 0, after }
  const late: typeof fetch = (input, init) =>
    ++calls < 4 ? Promise.reject(new Error('ECONNREFUSED')) : fetch(input, init)
  expect(await instanceFacts({ endpoint, ports: { ...ports, clock }, fetch: late })).toEqual(instance)
  const never: typeof fetch = () => Promise.reject(new Error('ECONNREFUSED'))
  await expect(instanceFacts({ ports: { ...ports, clock }, fetch: never })).rejects.toThrow('does not answer')
})
