import fc from 'fast-check'
import {
  asMember,
  difference,
  type FieldSet,
  intersection,
  isEmptySet,
  pathsOf,
  readFields,
  recursiveDifference,
  sameSets,
  union
} from './field-set.ts'

const set = (value: object) => readFields(value) as FieldSet

test.each<[string, object, string]>([
  ['nothing', {}, '{}'],
  ['fields by name', { 'f:b': {}, 'f:a': {} }, '{"f:a":{},"f:b":{}}'],
  ['itself first', { 'f:a': { 'f:b': {}, '.': {} } }, '{"f:a":{".":{},"f:b":{}}}'],
  [
    'keys of an element by name',
    { 'k:{"protocol":"TCP","containerPort":80}': {} },
    String.raw`{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}}`
  ],
  ['numbers by value', { 'v:10': {}, 'v:9': {} }, '{"v:9":{},"v:10":{}}'],
  ['numbers before texts', { 'v:"a"': {}, 'v:1': {} }, String.raw`{"v:1":{},"v:\"a\"":{}}`],
  [
    'fields, keys, values, places',
    { 'i:1': {}, 'v:1': {}, 'k:{"a":1}': {}, 'f:a': {} },
    String.raw`{"f:a":{},"k:{\"a\":1}":{},"v:1":{},"i:1":{}}`
  ],
  ['what is of no known kind is skipped', { 'x:a': {}, 'f:a': {} }, '{"f:a":{}}']
])('reads %s', (_, given, expected) => {
  expect(JSON.stringify(readFields(given))).toBe(expected)
})

test.each<[string, unknown]>([
  ['a list', []],
  ['a key without a kind', { a: {} }],
  ['a key that is no JSON', { 'k:{': {} }],
  ['a place that is no number', { 'f:a': { 'i:x': {} } }]
])('%s is no set', (_, given) => {
  expect(readFields(given)).toBeUndefined()
})

test('paths are told node by node, members first', () => {
  const given = set({
    'f:spec': { '.': {}, 'f:list': { 'k:{"name":"c","port":80}': { '.': {}, 'f:image': {} }, 'v:"x"': {} }, 'f:z': {} },
    'f:a': {}
  })
  expect([...pathsOf(given)]).toEqual([
    '.a',
    '.spec',
    '.spec.z',
    '.spec.list[name="c",port=80]',
    '.spec.list[="x"]',
    '.spec.list[name="c",port=80].image'
  ])
})

/** A set as the list of its paths: what the trees must agree with. */
const path = fc.array(fc.constantFrom('f:a', 'f:b', 'k:{"n":1}', 'v:"x"'), { minLength: 1, maxLength: 4 })
const paths = fc.array(path, { maxLength: 8 })

function treeOf(list: readonly (readonly string[])[]): FieldSet {
  let tree: FieldSet = {}
  for (const one of list)
    tree = union(
      tree,
      one.reduceRight((below: FieldSet, name) => ({ [name]: below }), {})
    )
  return tree
}

const namesOf = (list: readonly (readonly string[])[]) => new Set(list.map((one) => one.join('/')))

function membersOf(tree: FieldSet, prefix = ''): Set<string> {
  const found = new Set<string>()
  for (const [name, node] of Object.entries(tree)) {
    if (name === '.') continue
    if ('.' in node || isEmptySet(node)) found.add(prefix + name)
    for (const one of membersOf(node, `${prefix}${name}/`)) found.add(one)
  }
  return found
}

test('trees compute as sets of paths do', () => {
  fc.assert(
    fc.property(paths, paths, (left, right) => {
      const [a, b] = [treeOf(left), treeOf(right)]
      const [inA, inB] = [namesOf(left), namesOf(right)]
      expect(membersOf(a)).toEqual(inA)
      const both = [...inA].filter((one) => inB.has(one))
      const onlyA = [...inA].filter((one) => !inB.has(one))
      expect(membersOf(union(a, b))).toEqual(new Set([...inA, ...inB]))
      expect(membersOf(intersection(a, b))).toEqual(new Set(both))
      expect(membersOf(difference(a, b))).toEqual(new Set(onlyA))
      const below = [...inA].filter((one) => ![...inB].some((other) => one === other || one.startsWith(`${other}/`)))
      expect(membersOf(recursiveDifference(a, b))).toEqual(new Set(below))
      expect(sameSets(a, b)).toBe(onlyA.length === 0 && both.length === inB.size)
      expect(sameSets(union(a, b), union(b, a))).toBe(true)
      expect(readFields(union(a, b))).toEqual(union(a, b))
    })
  )
})

test('a member stays one when others come below it', () => {
  expect(asMember({ 'f:a': {} })).toEqual({ '.': {}, 'f:a': {} })
  expect(union({ 'f:a': {} }, { 'f:a': { 'f:b': {} } })).toEqual({ 'f:a': { '.': {}, 'f:b': {} } })
})
