import { reconcilerTriggers } from '../../lambdas/reconciler/triggers.ts'
import { schedulerTriggers } from '../../lambdas/scheduler/triggers.ts'
import { counterKey, logKey, objectKey, recordAt } from './dynamodb-items.ts'

interface Filter {
  readonly dynamodb: {
    readonly Keys: { readonly p: { readonly S: readonly (string | { readonly prefix: string })[] } }
  }
}

/** Whether a function's filters let the record of this partition through. */
function hears(filters: readonly object[], partition: string): boolean {
  return (filters as readonly Filter[]).some(({ dynamodb }) =>
    dynamodb.Keys.p.S.some((one) => (typeof one === 'string' ? one === partition : partition.startsWith(one.prefix)))
  )
}

test.each([
  ['pods', ['reconciler', 'scheduler']],
  ['apps/replicasets', ['reconciler']],
  ['example.com/widgets', ['reconciler']],
  ['internal.wherry.dev/nodeledgers', ['scheduler']],
  ['internal.wherry.dev/addresses', []],
  ['events', []],
  ['events.k8s.io/events', []],
  ['coordination.k8s.io/leases', []]
])('a change of %s wakes %j', (resource, woken) => {
  const { p, s } = logKey(resource, 7)
  const functions = { reconciler: reconcilerTriggers, scheduler: schedulerTriggers }
  const heard = Object.entries(functions).filter(([, { stream }]) => hears(stream.filters, p.S))
  expect(heard.map(([name]) => name)).toEqual(woken)
  expect(recordAt(p.S, s.S)).toEqual({ resource, version: 7 })
})

test('objects and counters are no records, and wake nobody', () => {
  for (const { p, s } of [objectKey('pods', 'default/a'), counterKey('pods')]) {
    expect(recordAt(p.S, s.S)).toBeUndefined()
    expect(hears([...reconcilerTriggers.stream.filters, ...schedulerTriggers.stream.filters], p.S)).toBe(false)
  }
})
