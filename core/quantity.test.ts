import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  parseQuantity,
  quantityMilli,
  quantityNumber,
  quantityOf,
  quantityText,
  quantityValue,
  subtractQuantity,
  tryParseQuantity
} from './quantity.ts'

describe('canonical text', () => {
  test.each([
    ['0', '0'],
    ['0m', '0'],
    ['0.0', '0'],
    ['-0', '0'],
    ['1', '1'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['5.', '5.'],
    ['1.5', '1500m'],
    ['100m', '100m'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['2000', '2k'],
    ['1e3', '1e3'],
    ['1E3', '1E3'],
    ['1000e3', '1e6'],
    ['1e2', '100'],
    ['12e1', '120'],
    ['1E', '1E'],
    ['1000E', '1000E'],
    ['64Mi', '64Mi'],
    ['1024Mi', '1Gi'],
    ['1025Mi', '1025Mi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Mi', '512Ki'],
    ['0.5Ki', '512'],
    ['1Ki', '1Ki'],
    ['8Ki', '8Ki'],
    ['0.0001Ki', '102400u'],
    ['1234567890123456789', '1234567890123456789'],
    ['1234567890123456000', '1234567890123456k'],
    ['0.0000000001', '1n'],
    ['1e-20', '1e-9'],
    ['9223372036854775807Ki', '9223372036854775807'],
    ['-1.5', '-1500m'],
    ['+5', '+5'],
    ['1.500', '1.500'],
    [' 1Gi ', '1Gi'],
    ['100', '100'],
    ['1000', '1k'],
    ['1000000', '1M'],
    ['1_', undefined],
    ['', undefined]
  ])('%j -> %j', (text, expected) => {
    if (expected === undefined) expect(tryParseQuantity(text)).toBeUndefined()
    else expect(canonicalQuantity(text)).toBe(expected)
  })

  test.each([0.5, 2, 1000, 1e21])('a number in JSON: %d', (value) => {
    expect(quantityNumber(value)).toBe(value)
  })
})

describe('errors', () => {
  const wrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
  test.each([
    ['lots', wrong],
    ['', wrong],
    ['1 Gi', wrong],
    ['1.2.3', wrong],
    ['1Gib', wrong],
    ['--1', "unable to parse quantity's suffix"],
    ['1K', "unable to parse quantity's suffix"],
    ['1mm', "unable to parse quantity's suffix"],
    ['1e', "unable to parse quantity's suffix"],
    ['1e999999999', 'unable to parse numeric part of quantity']
  ])('%j: %s', (text, expected) => {
    expect(() => parseQuantity(text)).toThrow(expected)
  })
})

describe('arithmetic', () => {
  test('zero takes the other’s format', () => {
    expect(quantityText(addQuantity(parseQuantity('0'), parseQuantity('2Gi')))).toBe('2Gi')
    expect(quantityText(addQuantity(parseQuantity('1Gi'), parseQuantity('1024M')))).toBe('2048576Ki')
    expect(quantityText(subtractQuantity(parseQuantity('1'), parseQuantity('250m')))).toBe('750m')
    expect(quantityText(quantityOf(2048, 'BinarySI'))).toBe('2Ki')
  })

  test.each([
    ['100m', 100, 1],
    ['1.5', 1500, 2],
    ['0.1m', 1, 1],
    ['-1.5', -1500, -2],
    ['1Ki', 1_024_000, 1024]
  ])('%s is %d milli and %d whole', (text, milli, value) => {
    expect(quantityMilli(text)).toBe(milli)
    expect(quantityValue(text)).toBe(value)
  })

  const quantity = fc
    .tuple(
      fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      fc.constantFrom('DecimalSI', 'BinarySI', 'DecimalExponent')
    )
    .map(([nano, format]) => ({ nano, format }) as ReturnType<typeof parseQuantity>)

  test('the canonical text reads back as the same amount, and is its own canonical text', () => {
    fc.assert(
      fc.property(quantity, (one) => {
        const text = quantityText(one)
        const size = one.nano < 0n ? -one.nano : one.nano
        const capped = one.format === 'BinarySI' && size > (2n ** 63n - 1n) * 10n ** 9n
        if (!capped) expect(parseQuantity(text).nano).toBe(one.nano)
        expect(quantityText(parseQuantity(text))).toBe(quantityText(parseQuantity(quantityText(parseQuantity(text)))))
      })
    )
  })

  test('comparison agrees with subtraction', () => {
    fc.assert(
      fc.property(quantity, quantity, (a, b) => {
        const difference = subtractQuantity(a, b).nano
        expect(compareQuantity(a, b)).toBe(difference < 0n ? -1 : difference > 0n ? 1 : 0)
      })
    )
  })
})
