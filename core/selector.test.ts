import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ApiError } from './errors.ts'
import { row } from './kinds/row.ts'
import {
  fieldSelectorMatcher,
  labelSelectorMatcher,
  labelSelectorText,
  labelSetMatcher,
  parseFieldSelector,
  parseLabelSelector
} from './selector.ts'

const KEY_HINT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

function message(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiError) return error.message
    throw error
  }
  return 'no error'
}

describe('label selectors as text', () => {
  test.each<[string, Record<string, string> | undefined, boolean]>([
    ['', undefined, true],
    ['a', { a: '' }, true],
    ['a', undefined, false],
    ['!a', {}, true],
    ['! a', { a: 'x' }, false],
    ['a=b', { a: 'b' }, true],
    ['a==b', { a: 'c' }, false],
    ['a!=b', {}, true],
    ['a!=b', { a: 'b' }, false],
    ['a=', { a: '' }, true],
    ['a=,b=c', { a: '', b: 'c' }, true],
    [' a in ( x , y ) , b', { a: 'y', b: '1' }, true],
    ['a in (x,,y)', { a: '' }, true],
    ['a in ()', { a: '' }, true],
    ['a in (x)', {}, false],
    ['a notin (x)', {}, true],
    ['a notin (x,y)', { a: 'y' }, false],
    ['a in (in,notin)', { a: 'in' }, true],
    ['in=notin', { in: 'notin' }, true],
    ['a>3', { a: '4' }, true],
    ['a>3', { a: '3' }, false],
    ['a<3', { a: '-1' }, true],
    ['a<3', { a: 'x' }, false],
    ['a<3', {}, false],
    ['example.com/a=b', { 'example.com/a': 'b' }, true],
    ['constructor', {}, false],
    ['toString!=x', {}, true]
  ])('%j on %j: %s', (text, labels, expected) => {
    expect(parseLabelSelector(text).matches(labels)).toBe(expected)
  })

  test.each([
    ['a===b', "unable to parse requirement: found '=', expected: identifier"],
    ['=b', "found '=', expected: !, identifier, or 'end of string'"],
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a,', "found '', expected: identifier after ','"],
    ['a,,b', "found ',', expected: identifier after ','"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    ['!a=b', "found '=', expected: ',' or 'end of string'"],
    ['a in', "unable to parse requirement: found '' expected: '('"],
    ['a in (', "unable to parse requirement: found '', expected: ',', ')' or identifier"],
    ['a in (x', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a in (x y)', "unable to parse requirement: found 'y', expected: ',' or ')'"],
    ['a in (x,', "unable to parse requirement: found '', expected: ',', or identifier"],
    [
      'a>x',
      `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`
    ],
    ['-a=b', `unable to parse requirement: <nil>: Invalid value: "-a": ${KEY_HINT}`],
    [
      'a=b/c',
      "unable to parse requirement: values[0][a]: Invalid value: \"b/c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    ]
  ])('%j is refused', (text, expected) => {
    expect(message(() => parseLabelSelector(text))).toBe(expected)
  })

  test('any text is parsed or refused as a bad request', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ab=!<>(), \0xin', 'notin', ' in ') }), (text) => {
        try {
          parseLabelSelector(text).matches({ a: 'b' })
        } catch (error) {
          expect(error).toBeInstanceOf(ApiError)
        }
      })
    )
  })
})

describe('label selectors as objects', () => {
  test('absent selects nothing, empty everything, an empty map everything', () => {
    expect(labelSelectorMatcher(undefined).matches({})).toBe(false)
    expect(labelSelectorMatcher({}).matches({})).toBe(true)
    expect(labelSetMatcher(undefined).everything).toBe(true)
  })

  test('is printed sorted by key, and that text selects the same', () => {
    const matcher = labelSelectorMatcher({
      matchLabels: { z: '1', b: '2' },
      matchExpressions: [
        { key: 'c', operator: 'In', values: ['y', 'x'] },
        { key: 'a', operator: 'DoesNotExist' },
        { key: 'd', operator: 'Exists' },
        { key: 'e', operator: 'NotIn', values: ['q'] }
      ]
    })
    const text = '!a,b=2,c in (x,y),d,e notin (q),z=1'
    expect(labelSelectorText(matcher)).toBe(text)
    const labels = { z: '1', b: '2', c: 'x', d: '' }
    expect(matcher.matches(labels)).toBe(true)
    expect(parseLabelSelector(text).matches(labels)).toBe(true)
    expect(matcher.matches({ ...labels, a: '' })).toBe(false)
  })

  test('an unknown operator is refused', () => {
    expect(message(() => labelSelectorMatcher({ matchExpressions: [{ key: 'a', operator: 'Gt' }] }))).toBe(
      '"Gt" is not a valid label selector operator'
    )
  })
})

describe('field selectors', () => {
  test.each<[string, unknown]>([
    ['', []],
    ['metadata.name=a', [{ field: 'metadata.name', operator: '=', value: 'a' }]],
    [
      'b==x,a!=y',
      [
        { field: 'a', operator: '!=', value: 'y' },
        { field: 'b', operator: '=', value: 'x' }
      ]
    ],
    ['a=', [{ field: 'a', operator: '=', value: '' }]],
    ['a=b\\,c\\=d\\\\', [{ field: 'a', operator: '=', value: 'b,c=d\\' }]],
    [',a=b,', [{ field: 'a', operator: '=', value: 'b' }]]
  ])('%j', (text, expected) => {
    expect(parseFieldSelector(text)).toEqual(expected)
  })

  test.each([
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['a=b=c', 'invalid field selector: unescaped character in value: 61'],
    ['a=\\b', 'invalid field selector: invalid escape sequence: \\b'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\']
  ])('%j is refused', (text, expected) => {
    expect(message(() => parseFieldSelector(text))).toBe(expected)
  })

  test('reads the kind’s own fields, and refuses others', () => {
    const kind = row('v1', 'configmaps', { fields: { type: (object) => String(object.type ?? '') } })
    const matcher = fieldSelectorMatcher(kind, 'metadata.name=a,type!=x')
    expect(matcher.matches({ metadata: { name: 'a' }, type: 'y' })).toBe(true)
    expect(matcher.matches({ metadata: { name: 'a' }, type: 'x' })).toBe(false)
    expect(message(() => fieldSelectorMatcher(kind, 'spec.nope=x'))).toBe('field label not supported: spec.nope')
    expect(message(() => fieldSelectorMatcher(row('apps/v1', 'replicasets'), 'x=y'))).toBe(
      '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
  })
})
