import { describe, expect, test } from '@jest/globals'
import { ProtobufError, readProtobuf } from './protobuf.ts'

// A small encoder: fields as [number, value]; text and bytes are written whole, lists of fields as messages.
type Field = readonly [number, string | number | bigint | boolean | Uint8Array | readonly Field[]]

function varint(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)]
    bytes.push(Number(rest & 127n) | 128)
  }
}
function message(...fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
        return Buffer.from([...varint(BigInt(number * 8)), ...varint(BigInt(value))])
      const bytes =
        typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : message(...value)
      return Buffer.concat([Buffer.from([...varint(BigInt(number * 8 + 2)), ...varint(BigInt(bytes.length))]), bytes])
    })
  )
}
const body = (apiVersion: string, kind: string, ...fields: readonly Field[]) =>
  Buffer.concat([
    Buffer.from('k8s\0'),
    message(
      [
        1,
        [
          [1, apiVersion],
          [2, kind]
        ]
      ],
      [2, message(...fields)],
      [3, ''],
      [4, '']
    )
  ])

describe('protobuf bodies', () => {
  test.each<[string, Uint8Array, object]>([
    [
      'a namespace',
      body('v1', 'Namespace', [
        1,
        [
          [1, 'x'],
          [8, []],
          [
            11,
            [
              [1, 'a'],
              [2, 'b']
            ]
          ],
          [
            11,
            [
              [1, 'c'],
              [2, '']
            ]
          ]
        ]
      ]),
      {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: 'x', creationTimestamp: null, labels: { a: 'b', c: '' } }
      }
    ],
    [
      'bytes and a time',
      body(
        'v1',
        'Secret',
        [1, [[8, [[1, 1770000000n]]]]],
        [
          2,
          [
            [1, 'k'],
            [2, Buffer.from('v')]
          ]
        ]
      ),
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { creationTimestamp: '2026-02-02T02:40:00Z' },
        data: { k: 'dg==' }
      }
    ],
    [
      'a pod with embedded structs',
      body('v1', 'Pod', [
        2,
        [
          [
            1,
            [
              [1, 'v'],
              [2, [[19, [[2, [[1, 'cm']]]]]]]
            ]
          ],
          [
            2,
            [
              [1, 'c'],
              [3, 'sh'],
              [3, '-c'],
              [
                8,
                [
                  [
                    1,
                    [
                      [1, 'cpu'],
                      [2, [[1, '100m']]]
                    ]
                  ]
                ]
              ],
              [
                10,
                [
                  [
                    1,
                    [
                      [
                        2,
                        [
                          [1, '/'],
                          [
                            2,
                            [
                              [1, 0],
                              [2, 80]
                            ]
                          ]
                        ]
                      ]
                    ]
                  ],
                  [2, -1n]
                ]
              ]
            ]
          ],
          [4, 30]
        ]
      ]),
      {
        apiVersion: 'v1',
        kind: 'Pod',
        spec: {
          volumes: [{ name: 'v', configMap: expect.anything() }],
          containers: [
            {
              name: 'c',
              command: ['sh', '-c'],
              resources: { limits: { cpu: '100m' } },
              livenessProbe: { httpGet: { path: '/', port: 80 }, initialDelaySeconds: -1 }
            }
          ],
          terminationGracePeriodSeconds: 30
        }
      }
    ],
    [
      'a review',
      body('authorization.k8s.io/v1', 'SubjectAccessReview', [
        2,
        [
          [3, 'jo'],
          [4, 'a'],
          [4, 'b'],
          [
            5,
            [
              [1, 'k'],
              [
                2,
                [
                  [1, 'v'],
                  [1, 'w']
                ]
              ]
            ]
          ]
        ]
      ]),
      {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: 'jo', groups: ['a', 'b'], extra: { k: ['v', 'w'] } }
      }
    ],
    [
      'options of any group',
      body('policy/v1', 'DeleteOptions', [1, 0], [4, 'Foreground']),
      {
        apiVersion: 'policy/v1',
        kind: 'DeleteOptions',
        gracePeriodSeconds: 0,
        propagationPolicy: 'Foreground'
      }
    ],
    ['a field of tomorrow', body('v1', 'Namespace', [99, 'x']), { apiVersion: 'v1', kind: 'Namespace' }],
    [
      'a key that is dangerous in JavaScript',
      body('v1', 'ConfigMap', [
        2,
        [
          [1, '__proto__'],
          [2, 'x']
        ]
      ]),
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        data: JSON.parse('{"__proto__":"x"}')
      }
    ],
    ['nothing', Buffer.alloc(0), {}]
  ])('%s', (_what, bytes, expected) => {
    expect(readProtobuf(bytes)).toEqual(expected)
  })

  test('percentages and ports', () => {
    const strategy = (value: Field[]) =>
      readProtobuf(body('apps/v1', 'Deployment', [2, [[4, [[2, [[1, value]]]]]]])) as { spec: { strategy: object } }
    expect(
      strategy([
        [1, 1],
        [2, 0],
        [3, '25%']
      ]).spec.strategy
    ).toEqual({ rollingUpdate: { maxUnavailable: '25%' } })
    expect(
      strategy([
        [1, 0],
        [2, 3],
        [3, '']
      ]).spec.strategy
    ).toEqual({ rollingUpdate: { maxUnavailable: 3 } })
  })

  test.each<[string, Uint8Array]>([
    ['no prefix', Buffer.from('{"kind":"Pod"}')],
    ['an unknown kind', body('v1', 'Nothing')],
    ['an end in the middle', body('v1', 'Namespace', [1, [[1, 'x']]]).subarray(0, -3)],
    ['a number where text is due', body('v1', 'Namespace', [1, [[1, 7]]])],
    ['text where a number is due', body('v1', 'Pod', [2, [[4, 'x']]])],
    ['a wire type that is none', Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x0f])])],
    ['a number without end', Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(20, 0xff)])],
    ['a length beyond everything', Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x0a, ...varint(2n ** 63n)])])],
    ['broken embedded JSON', body('apps/v1', 'ControllerRevision', [2, [[1, '{']]])]
  ])('refuses %s', (_what, bytes) => {
    expect(() => readProtobuf(bytes)).toThrow(ProtobufError)
  })
})

test('a body with very many entries is read in linear time', () => {
  const entries = Array.from(
    { length: 100_000 },
    (_, i): Field => [
      2,
      [
        [1, `k${i}`],
        [2, 'v']
      ]
    ]
  )
  const object = readProtobuf(body('v1', 'ConfigMap', ...entries)) as { data: object }
  expect(Object.keys(object.data)).toHaveLength(100_000)
}, 5_000)
