/** For tests: the API as a cluster has it (keys, RBAC, admission), over TLS on a free port, on a memory store. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kindTable } from '../core/kinds/table.ts'
import type { Log, Ports } from '../core/ports.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { DEFAULT_ADDRESSES } from '../lambdas/api/addresses.ts'
import { admissionEffects, admissionPlugins } from '../lambdas/api/admission/registry.ts'
import { createAuthenticator } from '../lambdas/api/authn.ts'
import { createAuthorizer } from '../lambdas/api/authz.ts'
import { bootstrap } from '../lambdas/api/bootstrap.ts'
import { type Keys, loadOrCreateKeys } from '../lambdas/api/keys.ts'
import { createKubelet } from '../lambdas/api/kubelet.ts'
import { type Limits, type Listener, listen } from '../lambdas/api/listen.ts'
import { virtualKinds } from '../lambdas/api/reviews.ts'
import { type Api, createApi } from '../lambdas/api/server.ts'
import { logHandler } from '../lambdas/api/subresources/log.ts'
import { proxyHandler } from '../lambdas/api/subresources/proxy.ts'
import { tokenHandler } from '../lambdas/api/subresources/token.ts'
import type { Store } from '../store/store.ts'
import { createTestStore } from './test-api.ts'

export interface ServedApi {
  readonly api: Api
  readonly store: Store
  readonly ports: Ports
  readonly keys: Keys
  readonly port: number
  readonly listener: Listener
  /** Bearer token of the user admin in system:masters. */
  readonly token: string
  close(): Promise<void>
}

export interface ServedOptions {
  readonly log?: Log
  readonly limits?: Partial<Limits>
  /** Default: in memory. */
  readonly store?: (ports: Ports) => Promise<Store>
}

export async function serveApi(options: ServedOptions = {}): Promise<ServedApi> {
  const ports = systemPorts(options.log ?? silentLog)
  const folder = await mkdtemp(join(tmpdir(), 'wherry-test-keys-'))
  const keys = await loadOrCreateKeys(folder, { hosts: [], ports })
  const store = (await options.store?.(ports)) ?? createTestStore(ports)
  await bootstrap({ store, ports, addresses: DEFAULT_ADDRESSES, endpoint: { address: '192.0.2.2', port: 16443 } })
  const authorizer = await createAuthorizer(store)
  const authenticator = createAuthenticator({ keys, store, ports })
  const kubelet = createKubelet({ keys, store })
  const api = createApi({
    store,
    ports,
    kinds: kindTable.all,
    authenticator,
    authorizer,
    admission: admissionPlugins({ ...DEFAULT_ADDRESSES, authorizer, store, ports, kinds: () => kindTable.all }),
    effects: admissionEffects,
    subresources: {
      log: logHandler(kubelet),
      token: tokenHandler(keys.serviceAccount),
      proxy: proxyHandler({ kubelet })
    },
    virtuals: virtualKinds({ authorizer, authenticator }),
    address: '192.0.2.2:16443'
  })
  const listener = await listen({
    api,
    ports,
    host: '127.0.0.1',
    port: 0,
    tls: { key: keys.server.key, certificate: keys.server.certificate, clientAuthority: keys.authority },
    ...(options.limits === undefined ? {} : { limits: options.limits })
  })
  return {
    api,
    store,
    ports,
    keys,
    port: listener.port,
    listener,
    token: await keys.mintUserToken({ user: 'admin', groups: ['system:masters'] }),
    close: async () => {
      await listener.close(100)
      kubelet.close()
      authorizer.close()
      await store.close()
      await rm(folder, { recursive: true })
    }
  }
}
