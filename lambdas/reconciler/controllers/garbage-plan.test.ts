import type { OwnerReference } from '../../../core/kinds/types.ts'
import type { Resource } from '../../../core/object.ts'
import { blocking, type OwnerState, planGarbage, stateOf } from './garbage-plan.ts'

const reference = (uid: string, more: Partial<OwnerReference> = {}): OwnerReference => {
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: uid, uid, ...more }
}

function object(finalizers: string[] = [], leaving = false): Resource {
  return { metadata: { name: 'p', uid: 'p', finalizers, ...(leaving ? { deletionTimestamp: 'then' } : {}) } }
}

const plain = object()
const leavingForeground = object(['foregroundDeletion'], true)

const CASES: readonly (readonly [string, readonly OwnerState[], Resource, readonly Resource[], unknown])[] = [
  ['no owner', [], plain, [], { do: 'nothing' }],
  ['one that is there', ['solid'], plain, [], { do: 'nothing' }],
  ['one that is gone', ['dangling'], plain, [], { do: 'delete', policy: 'Background' }],
  ['one of two gone', ['solid', 'dangling'], plain, [], { do: 'keep', references: [reference('o0')] }],
  ['one of two waiting', ['waiting', 'solid'], plain, [], { do: 'keep', references: [reference('o1')] }],
  ['all gone or waiting', ['dangling', 'waiting'], plain, [], { do: 'delete', policy: 'Background' }],
  ['waiting, and it has dependents itself', ['waiting'], plain, [plain], { do: 'delete', policy: 'Foreground' }],
  ['gone, and it is to orphan', ['dangling'], object(['orphan']), [], { do: 'delete', policy: 'Orphan' }],
  ['gone, but it is leaving already', ['dangling'], object(['x'], true), [], { do: 'nothing' }],
  [
    'waiting in a circle',
    ['waiting'],
    plain,
    [leavingForeground],
    { do: 'unblock-and-delete', references: [reference('o0', { blockOwnerDeletion: false })], policy: 'Foreground' }
  ]
]

test.each(CASES)('an object with %s', (_, states, which, dependents, expected) => {
  const owners = states.map((state, i) => ({ reference: reference(`o${i}`), state }))
  expect(planGarbage({ object: which, owners, dependents })).toEqual(expected)
})

test.each([
  ['gone', undefined, 'dangling'],
  ['of another uid', { metadata: { uid: 'other' } }, 'dangling'],
  ['there', { metadata: { uid: 'o' } }, 'solid'],
  ['leaving in the background', { metadata: { uid: 'o', deletionTimestamp: 'then', finalizers: ['x'] } }, 'solid'],
  ['waiting', { metadata: { uid: 'o', deletionTimestamp: 'then', finalizers: ['foregroundDeletion'] } }, 'waiting']
])('an owner that is %s', (_, owner, expected) => {
  expect(stateOf(reference('o'), owner)).toBe(expected)
})

test('only references that block hold their owner back', () => {
  const dependent = (uid: string, block: boolean | undefined): Resource => {
    return { metadata: { name: String(block), ownerReferences: [reference(uid, { blockOwnerDeletion: block })] } }
  }
  const found = blocking([dependent('o', true), dependent('o', undefined), dependent('other', true)], 'o')
  expect(found.map(({ metadata }) => metadata.name)).toEqual(['true'])
})
