import { describe, expect, test } from '@jest/globals'
import { errorBody } from './field-errors.ts'
import type { Rules } from './kinds/kind.ts'
import type { ObjectMeta } from './kinds/types.ts'
import { keepSystemMetadata, validateMetadata, validateMetadataUpdate } from './validate-metadata.ts'

const texts = (errors: ReturnType<typeof validateMetadata>) => errors.map((one) => `${one.field}: ${errorBody(one)}`)
const LABEL_HINT =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const owner = { apiVersion: 'v1', kind: 'A', name: 'a', uid: '1' }

describe('a new object', () => {
  const cases: [string, { namespaced?: boolean; rules?: Rules }, ObjectMeta, string[]][] = [
    [
      'good',
      {},
      { name: 'a.b', namespace: 'n', labels: { 'x.y/z': 'v' }, annotations: { 'X.Y/z': 'v' }, finalizers: ['x.y/z'] },
      []
    ],
    ['no name', {}, { namespace: 'n' }, ['metadata.name: Required value: name or generateName is required']],
    ['no namespace', {}, { name: 'a' }, ['metadata.namespace: Required value']],
    [
      'a namespace too many',
      { namespaced: false },
      { name: 'a', namespace: 'n' },
      ['metadata.namespace: Forbidden: not allowed on this type']
    ],
    [
      'dots in a label name',
      { namespaced: false, rules: { name: 'label' } },
      { name: 'a.b' },
      ['metadata.name: Invalid value: "a.b": must not contain dots']
    ],
    [
      'a digit first',
      { namespaced: false, rules: { name: 'label1035' } },
      { name: '1a' },
      [
        "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
      ]
    ],
    [
      'a path name',
      { namespaced: false, rules: { name: 'path' } },
      { name: 'system:A/b%' },
      [
        'metadata.name: Invalid value: "system:A/b%": may not contain \'/\'',
        'metadata.name: Invalid value: "system:A/b%": may not contain \'%\''
      ]
    ],
    [
      'a long name',
      { namespaced: false },
      { name: 'a'.repeat(254) },
      [`metadata.name: Invalid value: "${'a'.repeat(254)}": must be no more than 253 characters`]
    ],
    ['a prefix may end in a dash', { namespaced: false }, { name: 'ab-x', generateName: 'ab-' }, []],
    [
      'labels',
      { namespaced: false },
      { name: 'a', labels: { 'bad key': 'x', ok: '-' } },
      [
        `metadata.labels: Invalid value: "bad key": ${LABEL_HINT}`,
        "metadata.labels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
      ]
    ],
    [
      'annotations',
      { namespaced: false },
      { name: 'a', annotations: { a: 'x'.repeat(262144) } },
      ['metadata.annotations: Too long: may not be more than 262144 bytes']
    ],
    [
      'finalizers',
      { namespaced: false },
      { name: 'a', finalizers: ['orphan', 'foregroundDeletion', '/x'] },
      [
        'metadata.finalizers: Invalid value: "/x": prefix part must be non-empty',
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion","/x"]: finalizer orphan and foregroundDeletion cannot be both set'
      ]
    ],
    [
      'owners',
      { namespaced: false },
      { name: 'a', ownerReferences: [{ apiVersion: 'x/', kind: '', name: '', uid: '' }] },
      [
        'metadata.ownerReferences.apiVersion: Invalid value: "x/": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty'
      ]
    ],
    [
      'two controllers',
      { namespaced: false },
      {
        name: 'a',
        ownerReferences: [
          { ...owner, controller: true },
          { ...owner, name: 'b', controller: true }
        ]
      },
      [
        'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"A","name":"a","uid":"1","controller":true},{"apiVersion":"v1","kind":"A","name":"b","uid":"1","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for A/a and A/b'
      ]
    ],
    [
      'an event as owner',
      { namespaced: false },
      { name: 'a', ownerReferences: [{ ...owner, kind: 'Event' }] },
      [
        'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"1"}: /v1, Kind=Event is disallowed from being an owner'
      ]
    ]
  ]
  test.each(cases)('%s', (_, { namespaced = true, rules = {} }, metadata, expected) => {
    expect(texts(validateMetadata({ namespaced, rules }, { metadata }))).toEqual(expected)
  })
})

describe('an update', () => {
  const old: ObjectMeta = {
    name: 'a',
    uid: 'u',
    resourceVersion: '5',
    generation: 2,
    creationTimestamp: '2026-01-01T00:00:00Z'
  }
  const cases: [string, ObjectMeta, ObjectMeta, string[]][] = [
    ['nothing', old, { ...old }, []],
    [
      'another name and uid',
      old,
      { ...old, name: 'b', uid: 'v' },
      ['metadata.name: Invalid value: "b": field is immutable', 'metadata.uid: Invalid value: "v": field is immutable']
    ],
    [
      'no version',
      old,
      { ...old, resourceVersion: undefined },
      ['metadata.resourceVersion: Invalid value: "": must be specified for an update']
    ],
    [
      'a grace period out of nowhere',
      old,
      { ...old, deletionGracePeriodSeconds: 3 },
      ['metadata.deletionGracePeriodSeconds: Invalid value: 3: field is immutable']
    ],
    [
      'new finalizers while deleted',
      { ...old, deletionTimestamp: 't', finalizers: ['a.b/c'] },
      { ...old, deletionTimestamp: 't', finalizers: ['a.b/c', 'z.z/z', 'd.e/f'] },
      [
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"d.e/f", "z.z/z"}'
      ]
    ],
    [
      'a bad label',
      old,
      { ...old, labels: { '': 'x' } },
      [
        'metadata.labels: Invalid value: "": name part must be non-empty',
        `metadata.labels: Invalid value: "": ${LABEL_HINT}`
      ]
    ]
  ]
  test.each(cases)('%s', (_, before, after, expected) => {
    const update = { next: { metadata: after }, old: { metadata: before }, own: undefined }
    expect([...new Set(texts(validateMetadataUpdate({}, update)))]).toEqual(expected)
  })

  test.each<[Rules, number, number]>([
    [{}, 3, 1],
    [{ metadataOnUpdate: 'also as new' }, 4, 2],
    [{ metadataOnUpdate: 'only as new' }, 3, 1],
    [{ anyFinalizer: true }, 3, 0]
  ])('is looked at several times: %j', (rules, labels, finalizers) => {
    const next = { metadata: { ...old, labels: { a: '-' }, finalizers: ['plain'] } }
    const own = rules.metadataOnUpdate
    const fields = validateMetadataUpdate(rules, { next, old: { metadata: old }, own }).map(({ field }) => field)
    expect(fields.filter((field) => field === 'metadata.labels').length).toBe(labels)
    expect(fields.filter((field) => field === 'metadata.finalizers[0]').length).toBe(finalizers)
  })

  test('keeps what the system wrote', () => {
    const next: { metadata: ObjectMeta } = {
      metadata: { name: 'a', generation: 9, creationTimestamp: 'x', selfLink: '/' }
    }
    keepSystemMetadata(next, { metadata: { ...old, deletionTimestamp: 't', deletionGracePeriodSeconds: 0 } })
    expect(next.metadata).toEqual({
      name: 'a',
      uid: 'u',
      generation: 2,
      creationTimestamp: old.creationTimestamp,
      deletionTimestamp: 't',
      deletionGracePeriodSeconds: 0
    })
    const bare: { metadata: ObjectMeta } = { metadata: { name: 'a', generation: 9 } }
    keepSystemMetadata(bare, { metadata: { name: 'a' } })
    expect(Object.keys(bare.metadata)).toEqual(['name'])
  })
})
