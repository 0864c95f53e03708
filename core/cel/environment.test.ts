import { declare, sizeAt, toValue } from './declared.ts'
import { compile } from './environment.ts'
import { BOOL, DYN } from './type.ts'
import { typeName, type Value } from './value.ts'

/** Evaluates without variables but `self`, which is dyn. */
function run(expression: string, self: unknown = {}): Value | string {
  const compiled = compile(expression, { variables: { self: DYN } })
  if ('error' in compiled) return compiled.error
  const result = compiled.program.evaluate((name) => (name === 'self' ? toValue(self) : undefined))
  return 'error' in result ? `error: ${result.error.message}` : result.value
}

const TRUE: readonly string[] = [
  '1 + 2 * 3 == 7',
  '7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1',
  'dyn(1) == 1.0 && dyn(1u) == 1 && 2.5 > 2',
  "'ab' + 'c' == 'abc' && b'ab' + b'c' == b'abc'",
  '[1, 2] + [3] == [1, 2, 3]',
  "{'a': 1}.a == 1 && {'a': 1}['a'] == 1 && 'a' in {'a': 1}",
  '2 in [1, 2] && !(3 in [1, 2])',
  '[1, 2, 3].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 2].exists_one(x, x == 2)',
  '[1, 2, 3].map(x, x * 2) == [2, 4, 6] && [1, 2, 3].filter(x, x > 1) == [2, 3]',
  '[1, 2, 3].map(x, x > 1, x * 2) == [4, 6]',
  "has({'a': 1}.a) && !has({'a': 1}.b)",
  "{'a': 1, 'b': 2}.all(k, v, v > 0) && [5, 6].exists(i, v, i == 1 && v == 6)",
  "[1, 2].transformList(i, v, v * 2) == [2, 4] && {'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
  "['x'].transformMapEntry(i, v, {v: i}) == {'x': 0}",
  '[1, 2].existsOne(i, v, v == 2)',
  "{'a': 1}.?a.orValue(2) == 1 && {'a': 1}.?b.orValue(2) == 2 && [1][?3].orValue(9) == 9",
  'optional.of(1).optMap(x, x + 1) == optional.of(2) && !optional.none().hasValue()',
  "{'a': {'b': 1}}.?a.b.orValue(0) == 1 && {'a': {}}.?a.b.orValue(0) == 0",
  "[?optional.of(1), ?optional.none()] == [1] && {?'a': optional.none(), 'b': 2} == {'b': 2}",
  'optional.ofNonZeroValue(0).or(optional.of(3)).value() == 3',
  'true || 1 / 0 > 0',
  'false && 1 / 0 > 0 == false || true',
  '[0, 1].exists(x, 1 / x == 1)',
  "type(1) == int && type('') == string && type([]) == list && type({}) == map",
  "size('añb') == 3 && 'añb'.size() == 3 && size([1, 2]) == 2",
  "'tacocat'.indexOf('ac') == 1 && 'tacocat'.lastIndexOf('at') == 5 && 'tacocat'.substring(1, 3) == 'ac'",
  "'A-B'.lowerAscii() == 'a-b' && 'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b'",
  "' a '.trim() == 'a' && 'aaa'.replace('a', 'b', 2) == 'bba' && 'x'.charAt(0) == 'x'",
  "'%s is %d (%.2f, %x)'.format([dyn('a'), 3, 1.5, 255]) == 'a is 3 (1.50, ff)'",
  "'abc 123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
  "'abc'.matches('^a.c$') && !'abc'.matches('^b')",
  '[1, 2, 2].isSorted() && [1, 2].sum() == 3 && [1, 3, 2].max() == 3 && [3, 1].min() == 1',
  '[1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2 && [1].indexOf(5) == -1',
  '[3, 1, 2].sort() == [1, 2, 3] && [[1], [2]].flatten() == [1, 2] && lists.range(2) == [0, 1]',
  "[{'n': 2}, {'n': 1}].sortBy(e, e.n)[0].n == 1 && [1, 1].distinct() == [1] && [1, 2].reverse() == [2, 1]",
  'sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1], [1, 3])',
  "url('https://u@example.com:80/a%20b?x=1&x=2').getHost() == 'example.com:80'",
  "url('https://example.com:80/a?x=1').getPort() == '80' && url('https://a/b?x=1&x=2').getQuery() == {'x': ['1', '2']}",
  "isURL('/path') && !isURL('no url')",
  "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('50k').add(20) == quantity('50020') && !isQuantity('1x')",
  "quantity('200M').asInteger() == 200000000 && quantity('50m').isInteger() == false && sign(quantity('-1')) == -1",
  "ip('127.0.0.1').isLoopback() && ip('::1').family() == 6 && !isIP('1.2.3') && ip('10.0.0.1') == ip('10.0.0.1')",
  "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))",
  "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && string(cidr('10.0.0.0/8').ip()) == '10.0.0.0'",
  "!format.dns1123Label().validate('my-name').hasValue() && format.named('dns1123Label').hasValue()",
  "format.dns1123Label().validate('My').value().size() == 1",
  "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('v1.2', true).minor() == 2 && !isSemver('1.2')",
  "semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))",
  "timestamp('2020-01-02T03:04:05Z').getFullYear() == 2020 && duration('1h30m').getMinutes() == 90",
  "timestamp('2020-01-02T00:00:00Z') - timestamp('2020-01-01T00:00:00Z') == duration('24h')",
  "string(duration('1.5s')) == '1.5s' && string(1.0) == '1' && int('7') == 7 && double('1e3') == 1000.0",
  '[dyn(1), "a", true].size() == 3',
  'self.list.all(x, x.n > 0) && self.text == "a" && self["text"] == "a"',
  '"\\u00e9" == "é" && r"\\d" == "\\\\d"',
  '[1, 2, 3].slice(1, 3) == [2, 3] && [1].first().value() == 1 && [1, 2].last().value() == 2'
]

test.each(TRUE)('%s', (expression) => {
  expect(run(expression, { list: [{ n: 1 }, { n: 2 }], text: 'a' })).toBe(true)
})

const ERRORS: readonly (readonly [string, string])[] = [
  ['1 / 0 == 1', 'division by zero'],
  ['1 % 0 == 1', 'modulus by zero'],
  ['9223372036854775807 + 1 > 0', 'integer overflow'],
  ['self.nope == 1', 'no such key: nope'],
  ['[1][5] == 1', 'index out of bounds: 5'],
  ['self.size() > 0 && self + 1 == 2', 'no such overload'],
  ["'a'.substring(5) == ''", 'index out of range: 5'],
  ['[].max() == 1', 'max called on empty list'],
  ['optional.none().value() == 1', 'optional.none() dereference'],
  [
    "quantity('x') == quantity('1')",
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
  ]
]

test.each(ERRORS)('%s fails: %s', (expression, message) => {
  expect(run(expression, { a: 1 })).toBe(`error: ${message}`)
})

const PROBLEMS: readonly (readonly [string, string])[] = [
  ['foo == 1', "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^"],
  [
    "1 + 'a' == 2",
    "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + 'a' == 2\n | ..^"
  ],
  [
    'self.a ==',
    "ERROR: <input>:1:10: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | self.a ==\n | .........^"
  ],
  ['1 && true', "ERROR: <input>:1:1: expected type 'bool' but found 'int'\n | 1 && true\n | ^"],
  ["'a'.foo()", "ERROR: <input>:1:8: undeclared reference to 'foo' (in container '')\n | 'a'.foo()\n | .......^"],
  ["'a'.matches('(')", "ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('(')\n | ............^"],
  ["[1, 'a'] == []", "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a'] == []\n | ....^"]
]

test.each(PROBLEMS)('%s is refused', (expression, message) => {
  expect(run(expression)).toBe(message)
})

test('a schema gives types, sizes and values', () => {
  const schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          replicas: { type: 'integer' },
          'my-field': { type: 'string', maxLength: 10 },
          names: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 3 } },
          port: { 'x-kubernetes-int-or-string': true },
          if: { type: 'boolean' }
        }
      }
    }
  }
  const self = declare(schema, true)
  if (self === undefined) throw new Error('not declared')
  const check = (expression: string) => compile(expression, { variables: { self: self.type } })
  const wrong = check('self.spec.nope == 1')
  expect('error' in wrong && wrong.error).toMatch("undefined field 'nope'")
  const good = check(
    "self.spec.my__dash__field == 'x' && self.spec.replicas > 1 && self.spec.__if__ && self.metadata.name == 'n'"
  )
  if ('error' in good) throw new Error(good.error)
  const object = { metadata: { name: 'n' }, spec: { replicas: 2, 'my-field': 'x', if: true } }
  expect(good.program.type).toBe(BOOL)
  expect(good.program.evaluate((name) => (name === 'self' ? toValue(object, self) : undefined))).toMatchObject({
    value: true
  })
  const loop = check("self.spec.names.all(n, n.startsWith('abc'))")
  if ('error' in loop) throw new Error(loop.error)
  const estimate = loop.program.estimate((path) => sizeAt(self, path))
  expect(estimate.max).toBeGreaterThan(20n)
  expect(estimate.max).toBeLessThan(60n)
})

test('an evaluation ends at its cost limit', () => {
  const compiled = compile('[1, 2, 3].all(x, [1, 2, 3].all(y, [1, 2, 3].all(z, x + y + z > 0)))', { variables: {} })
  if ('error' in compiled) throw new Error(compiled.error)
  const result = compiled.program.evaluate(() => undefined, 50)
  expect('error' in result && result.error).toMatchObject({
    message: 'operation cancelled: actual cost limit exceeded',
    cancelled: true
  })
  expect(compiled.program.evaluate(() => undefined)).toMatchObject({ value: true })
})

test('values know their types', () => {
  expect([1n, 1, 'a', null, true].map((value) => typeName(value))).toEqual([
    'int',
    'double',
    'string',
    'null_type',
    'bool'
  ])
})
