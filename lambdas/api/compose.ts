/** The API server as a cluster has it, with RBAC, admission and reviews: the same over every store and transport. */
import { Client } from '../../core/client.ts'
import { kindTable } from '../../core/kinds/table.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Ports } from '../../core/ports.ts'
import type { StoreApi } from '../../store/store.ts'
import type { AddressOptions } from './addresses.ts'
import { admissionEffects, admissionPlugins } from './admission/registry.ts'
import type { AuditOptions } from './audit/trail.ts'
import { createAuthenticator, type IssuerVerifier, type TokenVerifier } from './authn.ts'
import { createAuthorizer, type RbacAuthorizer } from './authz.ts'
import type { Keys } from './keys.ts'
import type { Kubelet } from './kubelet.ts'
import { ledgerEffect } from './ledger-effect.ts'
import { openIdPaths } from './openid.ts'
import type { Paths } from './paths.ts'
import { virtualKinds } from './reviews.ts'
import { type Api, createApi } from './server.ts'
import { logHandler } from './subresources/log.ts'
import { proxyHandler } from './subresources/proxy.ts'
import { tokenHandler } from './subresources/token.ts'
import type { Effect } from './types.ts'

export interface ComposeOptions {
  readonly store: StoreApi
  readonly ports: Ports
  readonly keys: Pick<Keys, 'serviceAccount' | 'userToken'>
  readonly addresses: AddressOptions
  /** The way to the nodes: logs. */
  readonly kubelet: Kubelet
  /** Tokens of others than this cluster. */
  readonly tokens?: readonly TokenVerifier[]
  /** Issuers outside the cluster. */
  readonly issuers?: readonly IssuerVerifier[]
  /** What stands between RBAC and whoever asks it. */
  readonly authorizer?: (rbac: RbacAuthorizer) => RbacAuthorizer
  /** Beside those of admission and the node ledger. */
  readonly effects?: readonly Effect[]
  /** Beside the service accounts' public keys. */
  readonly paths?: Paths
  /** Absent: nothing is audited. */
  readonly audit?: AuditOptions
  /** "host:port" by which clients reach the server, as /api tells them. */
  readonly address?: string
  readonly metrics?: Metrics
}

export interface ComposedApi {
  readonly api: Api
  /** Ends what follows the store; the store stays open. */
  close(): void
}

/** The store holds what a cluster starts with (bootstrap). */
export async function composeApi(options: ComposeOptions): Promise<ComposedApi> {
  const { store, ports, keys, addresses, tokens = [], issuers = [] } = options
  const rbac = await createAuthorizer(store)
  const authorizer = options.authorizer?.(rbac) ?? rbac
  const authenticator = createAuthenticator({ keys, store, ports, tokens, issuers })
  const api = createApi({
    store,
    ports,
    kinds: kindTable.all,
    authenticator,
    authorizer,
    admission: admissionPlugins({ ...addresses, authorizer, store, ports, kinds: () => kindTable.all }),
    effects: [...admissionEffects, ledgerEffect, ...(options.effects ?? [])],
    subresources: {
      log: logHandler(options.kubelet),
      token: tokenHandler(keys.serviceAccount),
      proxy: proxyHandler(options)
    },
    virtuals: virtualKinds({ authorizer, authenticator }),
    paths: { ...openIdPaths(keys.serviceAccount), ...options.paths },
    ...(options.audit === undefined ? {} : { audit: options.audit }),
    ...(options.address === undefined ? {} : { address: options.address }),
    ...(options.metrics === undefined ? {} : { metrics: options.metrics })
  })
  return { api, close: () => rbac.close() }
}

/** A client in process, with the identity that its RBAC roles are bound to. */
export function clientOf(api: Pick<Api, 'handle'>, username: string, ...groups: string[]): Client {
  return new Client(api.handle, { username, groups: [...groups, 'system:authenticated'] })
}

/** A controller of kube-controller-manager under its own service account. */
export function controllerClient(api: Pick<Api, 'handle'>, name: string): Client {
  const groups = ['system:serviceaccounts', 'system:serviceaccounts:kube-system']
  return clientOf(api, `system:serviceaccount:kube-system:${name}`, ...groups)
}
