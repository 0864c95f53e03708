import type { Client } from '../core/client.ts'
import { createEventRecorder } from '../core/events.ts'
import { indexesOf } from '../core/kinds/table.ts'
import { Metrics } from '../core/metrics.ts'
import type { Ports } from '../core/ports.ts'
import type { AddressOptions } from '../lambdas/api/addresses.ts'
import type { IssuerVerifier } from '../lambdas/api/authn.ts'
import { bootstrap, kubernetesAddress } from '../lambdas/api/bootstrap.ts'
import { clientOf, composeApi, controllerClient } from '../lambdas/api/compose.ts'
import { type Keys, loadOrCreateKeys } from '../lambdas/api/keys.ts'
import { createKubelet } from '../lambdas/api/kubelet.ts'
import { listen } from '../lambdas/api/listen.ts'
import type { Api } from '../lambdas/api/server.ts'
import type { ServedKind } from '../lambdas/reconciler/controller.ts'
import { type Reconciler, startReconciler } from '../lambdas/reconciler/reconciler.ts'
import { startScheduler } from '../lambdas/scheduler/scheduler.ts'
import { LmdbBackend } from '../store/backends/lmdb.ts'
import { Store } from '../store/store.ts'
import type { Cluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { failingPath } from './failing.ts'
import { fileFailure } from './files.ts'
import { keyFailure } from './key-files.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { hostAddress } from './machine-address.ts'
import { dataDirFlag, type Paths } from './paths.ts'
import type { Audit } from './security-options.ts'

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
  readonly audit?: Audit | undefined
  readonly issuers?: readonly IssuerVerifier[]
}

/** Composes store, API, controllers and scheduler into this process; resolves when the API answers. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { paths, cluster, ports } = options
  const addresses: AddressOptions = { serviceRange: cluster.serviceCIDR, nodePorts: NODE_PORTS }
  const host = hostAddress()
  const hosts = [cluster.nodeName, host, kubernetesAddress(addresses)]
  const [backend, keys] = await Promise.all([openStore(paths, ports), openKeys(paths, { hosts, ports })])
  const store = new Store({ backend, ports, indexes: indexesOf })
  const endpoint = { address: host, port: cluster.port }
  await bootstrap({ store, ports, addresses, endpoint }).catch(async (error: unknown) => {
    await store.close().catch(() => {})
    throw storeFailure(error, paths)
  })
  const kubelet = createKubelet({ keys, store })
  const metrics = new Metrics()
  let controllers: Controllers | undefined
  const { api, close } = await composeApi({
    store,
    ports,
    keys,
    addresses,
    kubelet,
    issuers: options.issuers ?? [],
    ...(options.audit === undefined ? {} : { audit: options.audit }),
    paths: failingPath(() => controllers?.failing() ?? []),
    address: `${host}:${cluster.port}`,
    metrics
  })
  const listener = await listen({
    api,
    ports,
    port: cluster.port,
    tls: { key: keys.server.key, certificate: keys.server.certificate, clientAuthority: keys.authority }
  })
  const url = `https://127.0.0.1:${listener.port}`
  writeKubeconfig(paths, cluster)
  controllers = startControllers({ api, store, keys, ports, metrics })
  return {
    url,
    keys,
    client: clientOf(api, 'kubernetes-admin', 'system:masters'),
    close: async () => {
      await controllers.stop()
      await listener.close()
      kubelet.close()
      close()
      await store.close()
      await options.audit?.flush()
    }
  }
}

interface Controllers {
  /** Keys whose last run failed, by controller. */
  readonly failing: Reconciler['failing']
  stop(): Promise<void>
}

function startControllers(parts: { api: Api; store: Store; keys: Keys; ports: Ports; metrics: Metrics }): Controllers {
  const { api, store, keys, ports, metrics } = parts
  const served = async () => {
    const kinds = (await api.kinds()).filter((kind) => kind.verbs.includes('list') && kind.hidden !== true)
    return kinds as readonly ServedKind[]
  }
  const reconciler = startReconciler({
    clients: (name) => controllerClient(api, name),
    reader: clientOf(api, 'system:kube-controller-manager'),
    feed: (listener) => store.onChange(listener),
    ports,
    metrics,
    config: { caCertificate: keys.authority, signer: keys.signer, kinds: served }
  })
  const schedulerClient = clientOf(api, 'system:kube-scheduler')
  const scheduler = startScheduler({
    client: schedulerClient,
    feed: (listener) => store.onChange(listener),
    ports,
    recorder: createEventRecorder({ client: schedulerClient, component: 'default-scheduler', ports })
  })
  return {
    failing: () => reconciler.failing(),
    stop: async () => {
      await Promise.all([reconciler.stop(), scheduler.stop()])
    }
  }
}

async function openKeys(paths: Paths, options: { hosts: readonly string[]; ports: Ports }): Promise<Keys> {
  try {
    return await loadOrCreateKeys(paths.keys, options)
  } catch (error) {
    throw keyFailure(error, paths.keys)
  }
}

async function openStore(paths: Paths, ports: Ports): Promise<LmdbBackend> {
  try {
    return await LmdbBackend.open({ path: paths.store, ports })
  } catch (error) {
    throw storeFailure(error, paths)
  }
}

/** Damage shows when the store is opened, or later where a page is read for the first time. */
function storeFailure(error: unknown, paths: Paths): unknown {
  const known = fileFailure(error, paths.store)
  if (known instanceof CliError || !(error instanceof Error)) return known
  if (error.message.endsWith('in use by another process')) return new CliError(error.message)
  if (!error.message.startsWith('the data in')) return error
  return new CliError(error.message, {
    hint: `restore ${paths.store} from a backup, or give up what is stored: ./wherry down --purge${dataDirFlag(paths)}`
  })
}
