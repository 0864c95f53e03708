import { afterEach, expect, test } from '@jest/globals'
import { events, leases, nodes } from '../../../core/kinds/refs.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'

let cluster: InProcess
const start = async (podCIDR?: string) => {
  cluster = await startInProcess(podCIDR === undefined ? {} : { podCIDR }, true)
  await cluster.settled()
}
afterEach(() => cluster.stop())

const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`)
const join = async (...wanted: string[]) => {
  await Promise.all(wanted.map((name) => cluster.admin.create(nodes, { metadata: { name } })))
  await cluster.settled()
}
const ranges = async () => {
  const { items } = await cluster.admin.list(nodes)
  return new Map(items.map(({ metadata, spec }) => [metadata.name, spec?.podCIDR]))
}
const claims = async () => (await cluster.admin.list(leases, { namespace: 'kube-system' })).items

test('each node gets a range of its own, and keeps it', async () => {
  await start('10.244.0.0/16')
  await join(...names(40))
  const given = await ranges()
  expect(new Set(given.values()).size).toBe(40)
  for (const range of given.values()) expect(range).toMatch(/^10\.244\.\d+\.0\/24$/)
  await cluster.admin.patch(nodes, { name: 'n0' }, { type: 'merge', body: { metadata: { labels: { a: 'b' } } } })
  await cluster.settled()
  expect(await ranges()).toEqual(given)
})

test('ranges that nodes came with are left alone, and are not given to others', async () => {
  await start('10.244.0.0/22')
  const spec = { podCIDR: '10.244.0.0/23', podCIDRs: ['10.244.0.0/23'] }
  await cluster.admin.create(nodes, { metadata: { name: 'big' }, spec })
  await join('a', 'b')
  const given = await ranges()
  expect([given.get('a'), given.get('b')].sort()).toEqual(['10.244.2.0/24', '10.244.3.0/24'])
  expect(given.get('big')).toBe('10.244.0.0/23')
})

test('when all are taken the next node waits, is told why, and gets the one of a node that goes', async () => {
  await start('10.244.0.0/23')
  await join('a', 'b')
  await join('c')
  expect((await ranges()).get('c')).toBeUndefined()
  const { items } = await cluster.admin.list(events)
  expect(items.map(({ reason, message }) => [reason, message])).toContainEqual([
    'CIDRNotAvailable',
    'Node c status is now: CIDRNotAvailable'
  ])
  const before = await ranges()
  await cluster.admin.delete(nodes, { name: 'a' })
  await cluster.pass(120_000, 10_000)
  expect((await ranges()).get('c')).toBe(before.get('a'))
  expect((await claims()).map(({ spec }) => spec?.holderIdentity).sort()).toEqual(['b', 'c'])
})

test('several at once never give one range to two nodes, and leave no claim for nothing', async () => {
  await start('10.244.0.0/20')
  const other = cluster.startBeside()
  await join(...names(16))
  await cluster.settled()
  await cluster.pass(120_000, 10_000)
  const given = await ranges()
  expect(new Set(given.values()).size).toBe(16)
  expect([...given.values()]).not.toContain(undefined)
  const held = (await claims()).map(({ metadata, spec }) => [spec?.holderIdentity, metadata.name])
  expect(new Map(held as [string, string][])).toEqual(
    new Map([...given].map(([name, range]) => [name ?? '', `pod-cidr-${range?.replace(/[./]/g, '-')}`]))
  )
  expect(held.length).toBe(16)
  await other.stop()
})

test('without a range for the cluster it does nothing', async () => {
  await start()
  await join('a')
  expect((await ranges()).get('a')).toBeUndefined()
  expect(await claims()).toEqual([])
})
