/** A control plane in the test's own process: the API on the memory store, with its RBAC, and the controllers. */
import { Client } from '../core/client.ts'
import type { Change } from '../core/feed.ts'
import type { Send } from '../core/http.ts'
import { kindTable } from '../core/kinds/table.ts'
import { DEFAULT_ADDRESSES } from '../lambdas/api/addresses.ts'
import { admissionEffects, admissionPlugins } from '../lambdas/api/admission/registry.ts'
import { createAuthorizer } from '../lambdas/api/authz.ts'
import { bootstrap } from '../lambdas/api/bootstrap.ts'
import { ledgerEffect } from '../lambdas/api/ledger-effect.ts'
import { virtualKinds } from '../lambdas/api/reviews.ts'
import { createApi } from '../lambdas/api/server.ts'
import type { ReconcilerConfig, ServedKind } from '../lambdas/reconciler/controller.ts'
import { type Reconciler, startReconciler } from '../lambdas/reconciler/reconciler.ts'
import { MemoryBackend } from '../store/backends/memory.ts'
import { Store } from '../store/store.ts'
import { type FakePorts, fakePorts } from './fake-ports.ts'

const kinds = kindTable.all.filter(({ verbs }) => verbs.includes('list'))

export interface InProcess {
  readonly ports: FakePorts
  readonly admin: Client
  /** The one that runs now. */
  readonly reconciler: Reconciler
  readonly store: Store
  readonly api: Send
  /** Everything that changed, in order. */
  readonly changes: readonly Change[]
  /** All controllers have nothing to do; timers may still be set. */
  settled(): Promise<void>
  /** Moves the clock in steps, the controllers settling after each. */
  pass(ms: number, stepMs?: number): Promise<void>
  /** Nobody controls while `meanwhile` runs. */
  restartControllers(meanwhile: () => Promise<void>): Promise<void>
  /** A second set of controllers beside the first, as two functions that run at once. */
  startBeside(): Reconciler
  /** Throws where a controller is left with a key that fails. */
  stop(): Promise<void>
}

export async function startInProcess(config: Partial<ReconcilerConfig> = {}, nodeAgents = false): Promise<InProcess> {
  const ports = fakePorts()
  const indexes = new Map(kinds.map(({ storage, rules }) => [storage, rules.indexes ?? {}]))
  const store = new Store({ backend: new MemoryBackend(), ports, indexes: (resource) => indexes.get(resource) })
  const endpoint = { address: '10.0.0.1', port: 6443 }
  await bootstrap({ store, ports, addresses: DEFAULT_ADDRESSES, endpoint, nodeAgents })
  const authorizer = await createAuthorizer(store)
  const admission = admissionPlugins({ ...DEFAULT_ADDRESSES, authorizer, store, ports, kinds: () => kindTable.all })
  const effects = [...admissionEffects, ledgerEffect]
  const nobody = { authenticate: async () => undefined, reviewToken: async () => undefined }
  const virtuals = virtualKinds({ authorizer, authenticator: nobody })
  const api = createApi({ store, ports, authorizer, admission, effects, kinds, virtuals })
  const client = (username: string, ...groups: string[]) =>
    new Client(api.handle, { username, groups: [...groups, 'system:authenticated'] })
  const changes: Change[] = []
  store.onChange((batch) => void changes.push(...batch))
  const start = () =>
    startReconciler({
      clients: (name) =>
        client(
          `system:serviceaccount:kube-system:${name}`,
          'system:serviceaccounts',
          'system:serviceaccounts:kube-system'
        ),
      reader: client('system:kube-controller-manager'),
      feed: (listener) => store.onChange(listener),
      ports,
      config: { caCertificate: 'the CA', kinds: () => kinds as readonly ServedKind[], ...config }
    })
  let reconciler = start()
  const settled = async () => await reconciler.idle()
  return {
    ports,
    store,
    api: api.handle,
    changes,
    settled,
    admin: client('admin', 'system:masters'),
    get reconciler() {
      return reconciler
    },
    startBeside: start,
    restartControllers: async (meanwhile) => {
      await reconciler.stop()
      await meanwhile()
      reconciler = start()
    },
    pass: async (ms, stepMs = ms) => {
      for (let left = ms; left > 0; left -= stepMs) {
        await ports.advance(Math.min(stepMs, left))
        await settled()
      }
    },
    stop: async () => {
      const failing = reconciler.failing()
      await reconciler.stop()
      authorizer.close()
      await store.close()
      if (failing.length > 0) throw new Error(failing.map((one) => `${one.controller} ${one.key}: ${one.error}`).join())
    }
  }
}
