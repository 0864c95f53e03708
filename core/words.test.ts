import { describe, expect, test } from '@jest/globals'
import { age, humanDuration } from './duration.ts'
import {
  duplicate,
  errorText,
  forbidden,
  invalid,
  invalidError,
  notFound,
  notSupported,
  required,
  tooLong,
  tooMany
} from './field-errors.ts'
import { goJson, goQuote, goValue } from './go-text.ts'
import { canonicalTime } from './go-time.ts'
import { copyJson, sameJson } from './json.ts'
import {
  isCIdentifier,
  isConfigMapKey,
  isDNS1035Label,
  isDNS1123Label,
  isDNS1123Subdomain,
  isEnvVarName,
  isHTTPHeaderName,
  isLabelValue,
  isPathSegmentName,
  isPercent,
  isPortName,
  isQualifiedName,
  isWildcardDNS1123Subdomain
} from './names.ts'

describe('field errors', () => {
  test.each([
    [required('a'), 'a: Required value'],
    [required('a', 'why'), 'a: Required value: why'],
    [invalid('a', 'x"y', 'why'), 'a: Invalid value: "x\\"y": why'],
    [invalid('a', 5, 'why'), 'a: Invalid value: 5: why'],
    [invalid('a', null, 'why'), 'a: Invalid value: null: why'],
    [invalid('a', undefined, 'why'), 'a: Invalid value: why'],
    [invalid('a', { b: '<' }, 'why'), 'a: Invalid value: {"b":"\\u003c"}: why'],
    [duplicate('a', 'x'), 'a: Duplicate value: "x"'],
    [notFound('a', 'x'), 'a: Not found: "x"'],
    [forbidden('a', 'why'), 'a: Forbidden: why'],
    [notSupported('a', 'x', ['y', 'z']), 'a: Unsupported value: "x": supported values: "y", "z"'],
    [tooLong('a', 5), 'a: Too long: may not be more than 5 bytes'],
    [tooMany('a', 5, 4), 'a: Too many: 5: must have at most 4 items']
  ])('%j', (error, expected) => {
    expect(errorText([error])).toBe(expected)
  })

  test('several stand in brackets, each once, but all are causes', () => {
    const error = invalidError({ group: 'apps', kind: 'Deployment' }, 'a', [
      required('x'),
      required('x'),
      required('y')
    ])
    expect(error.message).toBe('Deployment.apps "a" is invalid: [x: Required value, y: Required value]')
    expect(error.toStatus()).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: {
        name: 'a',
        group: 'apps',
        kind: 'Deployment',
        causes: [{ field: 'x', message: 'Required value', reason: 'FieldValueRequired' }, {}, {}]
      }
    })
  })

  test('the core group and an empty name are left out', () => {
    expect(invalidError({ group: '', kind: 'Pod' }, '', []).toStatus().details).toEqual({ kind: 'Pod' })
  })
})

describe('values in the words of Go', () => {
  test.each([
    ['plain', '"plain"'],
    ['a\n\t\u0000\u007f\\"', '"a\\n\\t\\x00\\x7f\\\\\\""'],
    ['é漢😀', '"é漢😀"'],
    ['\u00a0\u200b\u{e0001}', '"\\u00a0\\u200b\\U000e0001"']
  ])('%j quoted', (text, expected) => {
    expect(goQuote(text)).toBe(expected)
  })

  test('maps and lists', () => {
    expect(goValue({ b: [1, 'x', null], a: { c: true } })).toBe('map[a:map[c:true] b:[1 x <nil>]]')
    expect(goJson({ a: '<&>\u2028' })).toBe('{"a":"\\u003c\\u0026\\u003e\\u2028"}')
  })
})

test.each([
  [-3000, '<invalid>'],
  [-1500, '0s'],
  [0, '0s'],
  [119_999, '119s'],
  [120_000, '2m'],
  [125_000, '2m5s'],
  [600_000, '10m'],
  [10_799_000, '179m'],
  [10_800_000, '3h'],
  [11_000_000, '3h3m'],
  [28_800_000, '8h'],
  [172_799_000, '47h'],
  [172_800_000, '2d'],
  [180_000_000, '2d2h'],
  [691_200_000, '8d'],
  [63_072_000_000, '2y'],
  [70_000_000_000, '2y80d'],
  [252_288_000_000, '8y']
])('%d ms is %s', (ms, expected) => {
  expect(humanDuration(ms)).toBe(expected)
})

test('an age without a beginning is unknown', () => {
  expect(age(undefined, 0)).toBe('<unknown>')
  expect(age('1970-01-01T00:00:00Z', 90_000)).toBe('90s')
})

describe('names', () => {
  test.each<[(value: string) => readonly string[], string, RegExp | undefined]>([
    [isDNS1123Label, 'a-1', undefined],
    [isDNS1123Label, 'a.b', /^must not contain dots$/],
    [isDNS1123Label, 'A', /^a lowercase RFC 1123 label must consist/],
    [isDNS1123Label, 'a\n', /^a lowercase RFC 1123 label must consist/],
    [isDNS1123Label, 'a'.repeat(64), /^must be no more than 63 characters$/],
    [isDNS1123Subdomain, 'a.b-c.1', undefined],
    [isDNS1123Subdomain, 'a..b', /subdomain must consist/],
    [isDNS1035Label, '1a', /DNS-1035 label/],
    [isQualifiedName, 'a.b/C_d', undefined],
    [isQualifiedName, '/c', /^prefix part must be non-empty$/],
    [isQualifiedName, 'a/', /^name part must be non-empty;name part must consist/],
    [isQualifiedName, 'A/c', /^prefix part a lowercase RFC 1123 subdomain/],
    [
      isQualifiedName,
      'a/b/c',
      /^a valid label key must consist of .* with an optional DNS subdomain prefix and '\/' \(e\.g\. 'example\.com\/MyName'\)$/
    ],
    [isLabelValue, '', undefined],
    [isLabelValue, '-', /^a valid label must be an empty string or/],
    [isLabelValue, 'é'.repeat(32), /^must be no more than 63 bytes;a valid label/],
    [isConfigMapKey, '..', /^must not be '\.\.'$/],
    [isEnvVarName, 'a b!', undefined],
    [isEnvVarName, 'a=b', /other than '='$/],
    [isEnvVarName, '', /^environment variable name must be non-empty$/],
    [isPortName, 'http-2', undefined],
    [isPortName, '80', /^must contain at least one letter \(a-z\)$/],
    [isPortName, '-a--b', /consecutive hyphens;must not begin/],
    [isPathSegmentName, 'system:node', undefined],
    [isPathSegmentName, '..', /^may not be '\.\.'$/],
    [isWildcardDNS1123Subdomain, '*.a.b', undefined],
    [isPercent, '12', /^a valid percent string/],
    [isCIdentifier, 'a-b', /^a valid C identifier/],
    [isHTTPHeaderName, 'X_Y', /^a valid HTTP header/]
  ])('%p %j', (check, value, expected) => {
    const complaints = check(value)
    if (expected === undefined) expect(complaints).toEqual([])
    else expect(complaints.join(';')).toMatch(expected)
  })
})

test.each<[string, 'Time' | 'MicroTime', string]>([
  ['2026-01-02T03:04:05Z', 'Time', '2026-01-02T03:04:05Z'],
  ['2024-02-29T23:59:59.999Z', 'Time', '2024-02-29T23:59:59Z'],
  ['2026-01-01T00:30:00+01:00', 'Time', '2025-12-31T23:30:00Z'],
  ['2026-01-01T00:30:00.000001-00:30', 'MicroTime', '2026-01-01T01:00:00.000001Z'],
  ['2026-01-01T24:00:00Z', 'Time', 'parsing time "2026-01-01T24:00:00Z": hour out of range'],
  ['2026-01-01', 'Time', 'parsing time "2026-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'],
  [
    '2026-01-01T00:00:00',
    'Time',
    'parsing time "2026-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'
  ],
  ['2026-01-01T00:00:00Zx', 'Time', 'parsing time "2026-01-01T00:00:00Zx": extra text: "x"']
])('the time %s as %s', (text, format, expected) => {
  expect(Object.values(canonicalTime(text, format))).toEqual([expected])
})

test('JSON values: copies are deep and private, equality ignores order', () => {
  const value = JSON.parse('{"a":[{"b":1}],"__proto__":{"c":2}}')
  const copy = copyJson(value, 5)
  expect(JSON.stringify(copy)).toBe(JSON.stringify(value))
  expect(sameJson(copy, value)).toBe(true)
  expect(() => copyJson(value, 1)).toThrow(RangeError)
  expect(sameJson({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true)
  expect(sameJson({ a: 1 }, { a: 1, b: 2 })).toBe(false)
  expect(sameJson([1], { 0: 1 })).toBe(false)
  expect(sameJson({ a: undefined }, { b: undefined })).toBe(false)
})
