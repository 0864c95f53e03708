import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isObject, type JsonObject, sameJson } from '../json.ts'
import { jsonPatch } from './json.ts'
import { mergePatch } from './merge.ts'

describe('merge patch: the examples of RFC 7386', () => {
  // The RFC's examples whose documents are objects, as all of ours are.
  test.each<[object, object, object]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }]
  ])('%j with %j', (live, patch, expected) => {
    const before = structuredClone(live)
    expect(mergePatch(live as JsonObject, patch)).toEqual(expected)
    expect(live).toEqual(before)
  })

  test.each([[[1]], ['x'], [null], [3]])('%j is no patch', (patch) => {
    expect(() => mergePatch({}, patch)).toThrow('Invalid JSON Patch')
  })

  test('twice is once, and nothing pollutes', () => {
    const json = fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), fc.jsonValue({ maxDepth: 3 }))
    fc.assert(
      fc.property(json, json, (live, patch) => {
        const before = JSON.stringify(live)
        const once = mergePatch(live, patch)
        expect(sameJson(mergePatch(once, patch), once)).toBe(true)
        expect(JSON.stringify(live)).toBe(before)
        expect(Object.getPrototypeOf(once)).toBe(Object.prototype)
        expect(({} as JsonObject).a).toBeUndefined()
      })
    )
  })
})

describe('JSON patch', () => {
  const live = { a: 1, l: [1, 2, 3], o: { x: { y: 'z' } }, 'p/q': { '~': 0 }, n: null }
  test.each<[string, object[], object | 'fails']>([
    ['add a member', [{ op: 'add', path: '/b', value: 2 }], { ...live, b: 2 }],
    ['add replaces a member', [{ op: 'add', path: '/a', value: { c: 1 } }], { ...live, a: { c: 1 } }],
    ['add into a list', [{ op: 'add', path: '/l/1', value: 9 }], { ...live, l: [1, 9, 2, 3] }],
    ['add at the end', [{ op: 'add', path: '/l/-', value: 9 }], { ...live, l: [1, 2, 3, 9] }],
    ['add just behind the end', [{ op: 'add', path: '/l/3', value: 9 }], { ...live, l: [1, 2, 3, 9] }],
    ['add beyond the end', [{ op: 'add', path: '/l/4', value: 9 }], 'fails'],
    ['add null', [{ op: 'add', path: '/a', value: null }], { ...live, a: null }],
    ['add without a value', [{ op: 'add', path: '/b' }], 'fails'],
    ['add without a parent', [{ op: 'add', path: '/b/c', value: 1 }], 'fails'],
    ['add below a number', [{ op: 'add', path: '/a/c', value: 1 }], 'fails'],
    ['add with leading zeros', [{ op: 'add', path: '/l/01', value: 1 }], 'fails'],
    ['escapes', [{ op: 'replace', path: '/p~1q/~0', value: 1 }], { ...live, 'p/q': { '~': 1 } }],
    ['remove', [{ op: 'remove', path: '/o/x' }], { ...live, o: {} }],
    ['remove from a list', [{ op: 'remove', path: '/l/0' }], { ...live, l: [2, 3] }],
    ['remove the last', [{ op: 'remove', path: '/l/-1' }], { ...live, l: [1, 2] }],
    ['remove what is not there', [{ op: 'remove', path: '/none' }], 'fails'],
    ['remove "-"', [{ op: 'remove', path: '/l/-' }], 'fails'],
    ['replace', [{ op: 'replace', path: '/o/x/y', value: 'w' }], { ...live, o: { x: { y: 'w' } } }],
    ['replace in a list', [{ op: 'replace', path: '/l/2', value: 'w' }], { ...live, l: [1, 2, 'w'] }],
    ['replace what is not there', [{ op: 'replace', path: '/none', value: 1 }], { ...live, none: 1 }],
    ['replace where nothing is', [{ op: 'replace', path: '/none/x', value: 1 }], 'fails'],
    ['move', [{ op: 'move', from: '/o/x', path: '/m' }], { ...live, o: {}, m: { y: 'z' } }],
    ['move within a list', [{ op: 'move', from: '/l/0', path: '/l/2' }], { ...live, l: [2, 3, 1] }],
    ['move into itself', [{ op: 'move', from: '/o', path: '/o/x/k' }], 'fails'],
    ['copy', [{ op: 'copy', from: '/o/x', path: '/l/0' }], { ...live, l: [{ y: 'z' }, 1, 2, 3] }],
    ['copy nothing', [{ op: 'copy', from: '/none', path: '/x' }], { ...live, x: null }],
    ['test', [{ op: 'test', path: '/o', value: { x: { y: 'z' } } }], live],
    ['test fails', [{ op: 'test', path: '/o', value: { x: {} } }], 'fails'],
    ['test of a missing member for null', [{ op: 'test', path: '/none', value: null }], live],
    ['unknown operation', [{ op: 'frob', path: '/a' }], 'fails'],
    ['no operation', [{ path: '/a' }], 'fails'],
    ['no path', [{ op: 'remove' }], 'fails'],
    ['a path without a slash', [{ op: 'remove', path: 'a' }], 'fails'],
    ['the whole document becomes a list', [{ op: 'replace', path: '', value: [] }], 'fails'],
    [
      'a later failure undoes all',
      [
        { op: 'remove', path: '/a' },
        { op: 'test', path: '/a', value: 1 }
      ],
      'fails'
    ],
    ['members of the prototype are not there', [{ op: 'remove', path: '/__proto__/toString' }], 'fails'],
    ['constructor is not there', [{ op: 'add', path: '/constructor/prototype/x', value: 1 }], 'fails']
  ])('%s', (_, patch, expected) => {
    const before = structuredClone(live)
    if (expected === 'fails')
      expect(() => jsonPatch(live, patch)).toThrow('the server rejected our request due to an error in our request')
    else expect(jsonPatch(live, patch)).toEqual(expected)
    expect(live).toEqual(before)
  })

  test('what is no patch is a bad request', () => {
    expect(() => jsonPatch({}, {})).toThrow('json: cannot unmarshal object into Go value of type jsonpatch.Patch')
    expect(() => jsonPatch({}, [1])).toThrow('json: cannot unmarshal number into Go value of type jsonpatch.Operation')
  })

  test('bounds', () => {
    const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }))
    expect(() => jsonPatch({}, many)).toThrow(/maximum operations in a JSON patch is 10000, got 10001/)
    const doubling = Array.from({ length: 64 }, () => ({ op: 'copy', from: '/a', path: '/a/0' }))
    expect(() => jsonPatch({ a: ['x'.repeat(1000)] }, doubling)).toThrow(/rejected/)
  })

  test('"__proto__" becomes a plain member', () => {
    const next = jsonPatch({}, [{ op: 'add', path: '/__proto__', value: { x: 1 } }])
    expect(JSON.stringify(next)).toBe('{"__proto__":{"x":1}}')
    expect(Object.getPrototypeOf(next)).toBe(Object.prototype)
  })

  test('adding and removing gives back the same', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }))
    fc.assert(
      fc.property(json, fc.string({ minLength: 1 }), fc.jsonValue(), (document, key, value) => {
        fc.pre(!Object.hasOwn(document, key))
        const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
        const added = jsonPatch(document, [{ op: 'add', path, value }])
        expect(isObject(added) && sameJson(added[key], value)).toBe(true)
        expect(sameJson(jsonPatch(added, [{ op: 'remove', path }]), document)).toBe(true)
      })
    )
  })
})
