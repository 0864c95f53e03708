import { Client } from '../../core/client.ts'
import { ApiError } from '../../core/errors.ts'
import type { Change } from '../../core/feed.ts'
import { fakePorts, turn } from '../../test/fake-ports.ts'
import type { Controller } from './controller.ts'
import { type Reconciler, startReconciler } from './reconciler.ts'

function change(resource: string, key: string): Change {
  return { resource, key, type: 'updated', object: { metadata: { name: key } } }
}

function setUp(controllers: readonly Controller[]) {
  const ports = fakePorts()
  const listeners = new Set<(changes: readonly Change[]) => void>()
  const client = new Client(() => Promise.reject(new Error('nobody calls')))
  const reconciler: Reconciler = startReconciler({
    clients: () => client,
    reader: client,
    feed: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    ports,
    config: { caCertificate: '', kinds: () => [] },
    controllers
  })
  const ring = (...changes: Change[]) => {
    for (const listener of listeners) listener(changes)
  }
  return { ports, reconciler, ring, listeners }
}

function recorder(more: Partial<Controller> = {}): Controller & { readonly runs: string[] } {
  const runs: string[] = []
  return {
    name: 'recorder',
    runs,
    watches: {},
    start: async () => [],
    reconcile: async (key) => {
      runs.push(key)
      return undefined
    },
    ...more
  }
}

test('at the start everything is looked at; then what changes concern, each key once for a batch', async () => {
  const pods = recorder({
    start: async () => ['at-start'],
    watches: { pods: (changes) => changes.map(({ key }) => `pod ${key}`), nodes: () => ['all'] }
  })
  const all = recorder({ watches: { '*': (changes) => [String(changes.length)] } })
  const { reconciler, ring } = setUp([pods, all])
  await reconciler.idle()
  ring(change('pods', 'a'), change('nodes', 'n'), change('pods', 'a'), change('secrets', 's'))
  await reconciler.idle()
  expect(pods.runs).toEqual(['at-start', 'pod a', 'all'])
  expect(all.runs).toEqual(['4'])
})

test('a look-up of keys that fails is repeated: no change is lost', async () => {
  let failures = 3
  const controller = recorder({
    watches: {
      pods: async (changes) => {
        failures -= 1
        if (failures >= 0) throw new ApiError('ServiceUnavailable', 'later')
        return changes.map(({ key }) => key)
      }
    }
  })
  const { reconciler, ring, ports } = setUp([controller])
  ring(change('pods', 'a'))
  await turn()
  await ports.advance(1000)
  await reconciler.idle()
  expect(controller.runs).toEqual(['a'])
})

test('failing keys are told with their controller; stopped, nobody listens any more', async () => {
  const broken = recorder({
    name: 'broken',
    start: async () => ['a'],
    reconcile: () => Promise.reject(new ApiError('Invalid', 'never'))
  })
  const { reconciler, listeners } = setUp([broken])
  await reconciler.idle()
  expect(reconciler.failing()).toMatchObject([{ controller: 'broken', key: 'a', failures: 1 }])
  await reconciler.stop()
  expect(listeners.size).toBe(0)
})
