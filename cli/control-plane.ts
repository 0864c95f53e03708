import { Client } from '../core/client.ts'
import { createEventRecorder } from '../core/events.ts'
import { kindTable } from '../core/kinds/table.ts'
import type { Ports } from '../core/ports.ts'
import type { AddressOptions } from '../lambdas/api/addresses.ts'
import { admissionEffects, admissionPlugins } from '../lambdas/api/admission/registry.ts'
import { createAuthenticator } from '../lambdas/api/authn.ts'
import { createAuthorizer } from '../lambdas/api/authz.ts'
import { bootstrap, kubernetesAddress } from '../lambdas/api/bootstrap.ts'
import { type Keys, loadOrCreateKeys } from '../lambdas/api/keys.ts'
import { createKubelet } from '../lambdas/api/kubelet.ts'
import { ledgerEffect } from '../lambdas/api/ledger-effect.ts'
import { listen } from '../lambdas/api/listen.ts'
import { openIdPaths } from '../lambdas/api/openid.ts'
import { virtualKinds } from '../lambdas/api/reviews.ts'
import { type Api, createApi } from '../lambdas/api/server.ts'
import { logHandler } from '../lambdas/api/subresources/log.ts'
import { tokenHandler } from '../lambdas/api/subresources/token.ts'
import type { ServedKind } from '../lambdas/reconciler/controller.ts'
import { startReconciler } from '../lambdas/reconciler/reconciler.ts'
import { startScheduler } from '../lambdas/scheduler/scheduler.ts'
import { LmdbBackend } from '../store/backends/lmdb.ts'
import { Store } from '../store/store.ts'
import { type Cluster, hostAddress, type Paths, writeAtomically } from './cluster.ts'
import { kubeconfig } from './kubeconfig.ts'

/** kube-apiserver's default --service-node-port-range. */
const NODE_PORTS = [30000, 32767] as const

export interface ControlPlane {
  readonly url: string
  readonly keys: Keys
  /** The administrator's client, in process. */
  readonly client: Client
  /** Ends requests, controllers and store; what was acknowledged is on the disk. */
  close(): Promise<void>
}

export interface ControlPlaneOptions {
  readonly paths: Paths
  readonly cluster: Cluster
  readonly ports: Ports
}

/** Composes store, API, controllers and scheduler into this process; resolves when the API answers. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { paths, cluster, ports } = options
  const addresses: AddressOptions = { serviceRange: cluster.serviceCIDR, nodePorts: NODE_PORTS }
  const host = hostAddress()
  const [keys, backend] = await Promise.all([
    loadOrCreateKeys(paths.keys, { hosts: [cluster.nodeName, host, kubernetesAddress(addresses)], ports }),
    LmdbBackend.open({ path: paths.store, ports })
  ])
  const store = new Store({ backend, ports, indexes: (resource) => kindTable.findByStorage(resource)?.rules.indexes })
  await bootstrap({ store, ports, addresses, endpoint: { address: host, port: cluster.port } })
  const authorizer = await createAuthorizer(store)
  const authenticator = createAuthenticator({ keys, store, ports })
  const kubelet = createKubelet({ keys, store })
  const api = createApi({
    store,
    ports,
    kinds: kindTable.all,
    authenticator,
    authorizer,
    admission: admissionPlugins({ ...addresses, authorizer }),
    effects: [...admissionEffects, ledgerEffect],
    subresources: { log: logHandler(kubelet), token: tokenHandler(keys.serviceAccount) },
    virtuals: virtualKinds({ authorizer, authenticator }),
    paths: openIdPaths(keys.serviceAccount),
    address: `${host}:${cluster.port}`
  })
  const listener = await listen({
    api,
    ports,
    port: cluster.port,
    tls: { key: keys.server.key, certificate: keys.server.certificate, clientAuthority: keys.authority }
  })
  const url = `https://127.0.0.1:${listener.port}`
  writeKubeconfig({ paths, cluster, keys, url })
  const stopControllers = startControllers({ api, store, keys, ports })
  return {
    url,
    keys,
    client: clientOf(api, 'kubernetes-admin', 'system:masters'),
    close: async () => {
      await stopControllers()
      await listener.close()
      kubelet.close()
      authorizer.close()
      await store.close()
    }
  }
}

/** A client in process, with the identity that its RBAC roles are bound to. */
function clientOf(api: Api, username: string, ...groups: string[]): Client {
  return new Client(api.handle, { username, groups: [...groups, 'system:authenticated'] })
}

function controllerClient(api: Api, name: string): Client {
  const groups = ['system:serviceaccounts', 'system:serviceaccounts:kube-system']
  return clientOf(api, `system:serviceaccount:kube-system:${name}`, ...groups)
}

function startControllers(parts: { api: Api; store: Store; keys: Keys; ports: Ports }): () => Promise<void> {
  const { api, store, keys, ports } = parts
  const served = kindTable.all.filter((kind) => kind.verbs.includes('list') && kind.hidden !== true)
  const reconciler = startReconciler({
    clients: (name) => controllerClient(api, name),
    reader: clientOf(api, 'system:kube-controller-manager'),
    feed: (listener) => store.onChange(listener),
    ports,
    config: { caCertificate: keys.authority, kinds: () => served as readonly ServedKind[] }
  })
  const schedulerClient = clientOf(api, 'system:kube-scheduler')
  const scheduler = startScheduler({
    client: schedulerClient,
    feed: (listener) => store.onChange(listener),
    ports,
    recorder: createEventRecorder({ client: schedulerClient, component: 'default-scheduler', ports })
  })
  return async () => {
    await Promise.all([reconciler.stop(), scheduler.stop()])
  }
}

function writeKubeconfig(what: { paths: Paths; cluster: Cluster; keys: Keys; url: string }): void {
  const { paths, cluster, keys, url } = what
  const { certificate, key } = keys.admin
  const text = kubeconfig({ clusterName: cluster.name, server: url, ca: keys.authority, certificate, key })
  writeAtomically(paths.kubeconfig, text)
}
