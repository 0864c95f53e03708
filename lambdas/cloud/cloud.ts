/**
 * The control plane on AWS, composed from the environment (docs/adr/0006-aws.md): what cli/control-plane.ts is on one
 * machine. Every function has it in its own process, whole, and keeps it while it is warm.
 */
import type { Client } from '../../core/client.ts'
import { API_PROXY } from '../../core/cluster-network.ts'
import { indexesOf } from '../../core/kinds/table.ts'
import type { Ports } from '../../core/ports.ts'
import { systemPorts } from '../../core/system-ports.ts'
import type { Backend } from '../../store/backend.ts'
import { SealedBackend } from '../../store/backends/sealed.ts'
import { Store } from '../../store/store.ts'
import { BELL, bootstrapOnce } from '../api/bootstrap.ts'
import { clientOf, composeApi, controllerClient } from '../api/compose.ts'
import { defaultAccount } from '../api/default-account.ts'
import { createRelay, type RelayOptions, type RelayPieces, relayPaths } from '../api/relay.ts'
import type { Api } from '../api/server.ts'
import { SERVING_CERTIFICATE_PATH, servingCertificate } from '../api/serving-certificate.ts'
import { type AskSts, stsTokens } from '../api/sts-authn.ts'
import { awsOutside } from './aws-clients.ts'
import { type CloudConfig, cloudConfig, type Environment } from './config.ts'
import { FOLLOWED, freshAuthorizer, ringBell } from './fresh.ts'
import { type CloudKeys, openCloudKeys, type Parameters } from './keys.ts'
import { jsonLog } from './log.ts'

export interface Cloud {
  readonly config: CloudConfig
  readonly ports: Ports
  readonly backend: Backend
  readonly store: Store
  readonly keys: CloudKeys
  readonly api: Api
  /** A client in process: `user` as RBAC knows it. */
  client(user: string, ...groups: string[]): Client
  /** As the controller's service account in kube-system. */
  controllerClient(name: string): Client
  close(): Promise<void>
}

/** What stands outside; by default AWS. */
export interface Outside {
  readonly backend: Backend
  readonly parameters: Parameters
  /** Where streams out of nodes lie on their way, and how a node is told to begin one. */
  readonly pieces: RelayPieces
  readonly ring: RelayOptions['ring']
  readonly askSts: AskSts
  /** Told when what this process keeps in memory is of no use any more: it opens the cloud anew. */
  readonly lost?: () => void
}

/** What the table holds only in a form that it cannot read. */
const SEALED = new Set(['secrets'])

let warm: Promise<Cloud> | undefined

/** The one of this process: opened at its first request, and kept. */
export async function warmCloud(environment: Environment = process.env): Promise<Cloud> {
  warm ??= open(environment)
  const opening = warm
  try {
    return await opening
  } catch (error) {
    // The next request tries again.
    if (warm === opening) warm = undefined
    throw error
  }
}

/** The real ones, logging to CloudWatch. */
export function lambdaPorts(environment: Environment = process.env): Ports {
  const log = jsonLog((line) => void process.stdout.write(line), environment.WHERRY_LOG_LEVEL)
  return systemPorts(log, { keepsAlive: true })
}

/** What this process holds is of no use any more: the next request opens it anew. */
export function forgetCloud(): void {
  warm = undefined
}

async function open(environment: Environment): Promise<Cloud> {
  const ports = lambdaPorts(environment)
  const config = cloudConfig(environment)
  const lost = () => {
    warm = undefined
  }
  return await openCloud(config, ports, { ...awsOutside(config, ports), lost })
}

/** Everything opened; a warm function keeps it. Makes what a cluster starts with where nobody has done so yet. */
export async function openCloud(config: CloudConfig, ports: Ports, outside: Outside): Promise<Cloud> {
  const { addresses } = config
  const keys = await openCloudKeys(outside.parameters, config.parameters, ports)
  const seals = (resource: string) => SEALED.has(resource)
  const backend = new SealedBackend(outside.backend, { keys: keys.sealing, seals })
  const store = new Store({ backend, ports, indexes: indexesOf, retentionMs: config.retentionMs, trims: false })
  const [news] = await Promise.all([
    store.follow(FOLLOWED, BELL),
    bootstrapOnce({ store, ports, addresses, endpoint: API_PROXY, nodeAgents: true })
  ])
  const relay = { store, ports, pieces: outside.pieces, ring: outside.ring }
  const { cluster, emulator, adminArn: admin, nodeRoleArn: node } = config
  const tokens = [stsTokens({ cluster, emulator, known: { admin, node }, store, ports, ask: outside.askSts })]
  const { api, close } = await composeApi({
    store,
    ports,
    keys,
    addresses,
    tokens,
    effects: [defaultAccount(ports), ringBell],
    kubelet: createRelay(relay),
    paths: { ...relayPaths(relay), [SERVING_CERTIFICATE_PATH]: { post: servingCertificate(keys) } },
    authorizer: (rbac) => freshAuthorizer(rbac, { news, lost: () => outside.lost?.() }),
    ...(config.endpoint === undefined ? {} : { address: new URL(config.endpoint).host })
  })
  return {
    config,
    ports,
    backend,
    store,
    keys,
    api,
    client: (user, ...groups) => clientOf(api, user, ...groups),
    controllerClient: (name) => controllerClient(api, name),
    close: async () => {
      close()
      await store.close()
    }
  }
}
