import { describe, expect, test } from '@jest/globals'
import type { Pod, PodSpec } from './kinds/types.ts'
import {
  book,
  bookingOf,
  emptyLedger,
  isEmptyLedger,
  ledgerFits,
  ledgerNode,
  ledgerPod,
  release,
  requestedOf,
  shortages,
  withNode
} from './ledger.ts'

const pod = (cpu: string, spec: Partial<PodSpec> = {}, phase = 'Pending'): Pod => ({
  metadata: { name: 'p', namespace: 'd', uid: 'u' },
  spec: {
    nodeName: 'n',
    containers: [{ name: 'c', image: 'i', resources: { requests: { cpu, memory: '1Gi' } } }],
    ...spec
  },
  status: { phase }
})
const node = (allocatable: Record<string, string> | undefined) =>
  withNode(
    emptyLedger('n'),
    ledgerNode({ metadata: { name: 'n' }, ...(allocatable === undefined ? {} : { status: { allocatable } }) })
  )
const booked = (ledger: ReturnType<typeof node>, key: string, of: Pod) =>
  book(ledger, { node: 'n', key, pod: ledgerPod(of) })

describe('bookings', () => {
  test.each<[string, Pod, string | undefined]>([
    ['on a node', pod('1'), 'd/p'],
    ['not on a node', pod('1', { nodeName: '' }), undefined],
    ['ended well', pod('1', {}, 'Succeeded'), undefined],
    ['ended badly', pod('1', {}, 'Failed'), undefined]
  ])('%s', (_, of, expected) => expect(bookingOf(of)?.key).toBe(expected))

  test('what is booked is released', () => {
    const ledger = booked(booked(emptyLedger('n'), 'd/p', pod('1500m')), 'd/q', pod('1'))
    expect(requestedOf(ledger)).toEqual({ cpu: 2500, memory: 2 * 1024 ** 3 })
    const less = release(ledger, 'd/p')
    expect(requestedOf(less)).toEqual({ cpu: 1000, memory: 1024 ** 3 })
    expect(requestedOf(ledger).cpu).toBe(2500)
    expect(isEmptyLedger(less)).toBe(false)
    expect(isEmptyLedger(release(less, 'd/q'))).toBe(true)
    expect(isEmptyLedger(node({}))).toBe(false)
  })
})

describe('room', () => {
  const has = { cpu: '2', memory: '2Gi', pods: '2' }
  const web = { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] }
  test.each<[string, ReturnType<typeof node>, Pod, string | undefined]>([
    ['fits', node(has), pod('2'), undefined],
    ['too much', node(has), pod('2001m'), 'Insufficient cpu'],
    ['taken', booked(node(has), 'd/x', pod('1')), pod('1001m'), 'Insufficient cpu'],
    ['exactly what is left', booked(node(has), 'd/x', pod('1')), pod('1'), undefined],
    [
      'all sorts',
      booked(booked(node(has), 'd/x', pod('1')), 'd/y', pod('1')),
      pod('1'),
      'Too many pods, Insufficient cpu, Insufficient memory'
    ],
    [
      'a port',
      booked(node(has), 'd/x', pod('0', web)),
      pod('0', web),
      "node(s) didn't have free ports for the requested pod ports"
    ],
    ['a node that has not said', node(undefined), pod('99'), undefined],
    ['no node', emptyLedger('n'), pod('99'), undefined]
  ])('%s', (_, ledger, of, expected) => expect(ledgerFits(ledger, ledgerPod(of))).toBe(expected))

  test('what no end of another would help', () => {
    const room = { allocatable: { cpu: 1000, pods: 5 }, requested: { cpu: 900 }, pods: 1 }
    expect(shortages(room, { cpu: 200 })).toEqual([{ reason: 'Insufficient cpu', hopeless: false }])
    expect(shortages(room, { cpu: 1001 })).toEqual([{ reason: 'Insufficient cpu', hopeless: true }])
    expect(shortages(room, { cpu: 0, memory: 0 })).toEqual([])
  })
})
