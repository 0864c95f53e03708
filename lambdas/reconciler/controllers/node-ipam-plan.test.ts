import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { chooseRange, parseRange, rangeText } from './node-ipam-plan.ts'

describe('ranges', () => {
  test.each([
    ['10.244.0.0/16', 0x0af40000, 65_536],
    ['10.244.3.7/24', 0x0af40300, 256],
    ['0.0.0.0/0', 0, 2 ** 32],
    ['255.255.255.255/32', 2 ** 32 - 1, 1]
  ])('%s', (text, first, size) => {
    expect(parseRange(text)).toEqual({ first, size })
  })

  test.each(['', '10.244.0.0', '10.244.0/16', '10.244.0.256/24', '10.244.0.0/33', 'fd00::/64', '10.244.0.0/'])(
    '%p is none',
    (text) => {
      expect(() => parseRange(text)).toThrow('is no range of IPv4 addresses')
    }
  )
})

const octet = fc.integer({ min: 0, max: 255 })
const cluster = '10.244.0.0/20'
const slots = Array.from({ length: 16 }, (_, index) => `10.244.${index}.0/24`)

describe('the range of a node', () => {
  test('is free, and there is one as long as not all are taken', () => {
    const other = fc.oneof(
      fc.constantFrom(...slots),
      fc.tuple(octet, fc.integer({ min: 20, max: 32 })).map(([third, bits]) => `10.244.${third}.128/${bits}`),
      fc.constantFrom('', '10.0.0.0/24', 'fd00::/64', '10.0.0.0/8')
    )
    const overlaps = (a: string, b: string) => {
      const [x, y] = [parseRange(a), parseRange(b)]
      return x.first < y.first + y.size && y.first < x.first + x.size
    }
    const valid = (text: string) => text.includes('.')
    fc.assert(
      fc.property(fc.array(other, { maxLength: 20 }), fc.string(), (taken, seed) => {
        const chosen = chooseRange({ cluster, taken, seed })
        const free = slots.filter((slot) => !taken.some((one) => valid(one) && overlaps(slot, one)))
        expect(chosen === undefined ? free : free.includes(chosen)).toEqual(chosen === undefined ? [] : true)
      })
    )
  })

  test('is the same for the same node, and the whole of a small cluster', () => {
    const taken = [slots[3] ?? '']
    const seed = 'i-0123456789abcdef0'
    expect(chooseRange({ cluster, taken, seed })).toBe(chooseRange({ cluster, taken, seed }))
    expect(chooseRange({ cluster: '10.1.2.0/26', taken: [], seed })).toBe('10.1.2.0/26')
    expect(chooseRange({ cluster: '10.1.2.0/26', taken: ['10.1.2.3/32'], seed })).toBeUndefined()
  })

  test('text and back', () => {
    fc.assert(
      fc.property(octet, octet, fc.integer({ min: 0, max: 32 }), (a, b, bits) => {
        const range = parseRange(`${a}.${b}.1.2/${bits}`)
        expect(parseRange(rangeText(range))).toEqual(range)
      })
    )
  })
})
