import type { OwnerReference } from '../../core/kinds/types.ts'
import type { Resource } from '../../core/object.ts'
import { planClaims, semanticEqual } from './objects.ts'

test.each([
  [{ a: 1 }, { a: 1, b: undefined }, true],
  [{ a: 1 }, { a: 1, b: {} }, true],
  [{ a: [] }, { a: null }, true],
  [{ a: [1, 2] }, { a: [2, 1] }, false],
  [{ a: 0 }, {}, false],
  [{ a: '' }, {}, false],
  [{ a: { b: [{ c: 1 }] } }, { a: { b: [{ c: 1, d: [] }] } }, true],
  [{ a: { b: 1 } }, { a: { b: 2 } }, false],
  [{ a: {} }, { a: 1 }, false],
  [[], {}, true]
])('%j and %j are equal: %s', (a, b, expected) => {
  expect(semanticEqual(a, b)).toBe(expected)
  expect(semanticEqual(b, a)).toBe(expected)
})

const owner = (uid: string): OwnerReference => ({ apiVersion: 'v1', kind: 'X', name: uid, uid, controller: true })
const object = (name: string, uid?: string, leaving = false): Resource => {
  return {
    metadata: {
      name,
      ...(uid === undefined ? {} : { ownerReferences: [owner(uid)] }),
      ...(leaving ? { deletionTimestamp: 'then' } : {})
    }
  }
}

test.each([
  ['ours that matches', object('good', 'me'), ['owned']],
  ['ours that matches no longer', object('bad', 'me'), ['release']],
  ["another's that matches", object('good', 'you'), []],
  ["nobody's that matches", object('good'), ['adopt']],
  ["nobody's that does not match", object('bad'), []],
  ["nobody's that matches and leaves", object('good', undefined, true), []]
])('%s', (_, candidate, expected) => {
  const claims = planClaims({ metadata: { uid: 'me' } }, [candidate], ({ metadata }) => metadata.name === 'good')
  expect(Object.entries(claims).flatMap(([what, found]) => (found.length > 0 ? [what] : []))).toEqual(expected)
})

test('an owner that leaves neither adopts nor lets go', () => {
  const leaving = { metadata: { uid: 'me', deletionTimestamp: 'then' } }
  const candidates = [object('good'), object('bad', 'me'), object('good', 'me')]
  const claims = planClaims(leaving, candidates, ({ metadata }) => metadata.name === 'good')
  expect([claims.owned.length, claims.adopt.length, claims.release.length]).toEqual([1, 0, 0])
})
