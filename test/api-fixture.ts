/** What the tests of lambdas/api share: a store in memory, a clock that stands still, requests. */

import type { UserInfo } from '../core/http.ts'
import type { Kind } from '../core/kinds/kind.ts'
import { row } from '../core/kinds/row.ts'
import { type KubeObject, keyOf } from '../core/object.ts'
import { NAME_ALPHABET, type Ports } from '../core/ports.ts'
import { silentLog } from '../core/system-ports.ts'
import type { AdmissionRequest, ApiContext, ResourceRequest } from '../lambdas/api/types.ts'
import { MemoryBackend } from '../store/backends/memory.ts'
import { Store } from '../store/store.ts'

export const NOW = Date.parse('2026-05-01T12:00:00Z')

export interface TestPorts extends Ports {
  /** Moves the clock, and runs what became due. */
  advance(ms: number): void
}

export function testPorts(seed = 1): TestPorts {
  let now = NOW
  let state = seed
  let count = 0
  const timers = new Set<{ at: number; run: () => void }>()
  const next = () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state / 2147483648
  }
  return {
    log: silentLog,
    random: { next },
    ids: {
      uid: () => `00000000-0000-4000-8000-${(++count).toString(16).padStart(12, '0')}`,
      suffix: (length) =>
        Array.from({ length }, () => NAME_ALPHABET[Math.floor(next() * NAME_ALPHABET.length)]).join('')
    },
    clock: {
      now: () => now,
      after: (delayMs, run) => {
        const timer = { at: now + delayMs, run }
        timers.add(timer)
        return { cancel: () => timers.delete(timer) }
      }
    },
    advance(ms) {
      now += ms
      for (const timer of timers) if (timer.at <= now && timers.delete(timer)) timer.run()
    }
  }
}

export function testStore(ports: Ports): Store {
  const node = (object: KubeObject) => [String((object.spec as { nodeName?: string } | undefined)?.nodeName ?? '')]
  return new Store({
    backend: new MemoryBackend(),
    ports,
    indexes: (resource) => (resource === 'pods' ? { node } : undefined)
  })
}

/** Commits the object as it is; a present one is replaced. Returns its uid. */
export async function put(store: Store, resource: string, object: KubeObject): Promise<string> {
  const key = keyOf(object.metadata)
  const uid = object.metadata.uid ?? `uid-of-${key}`
  const present = await store.get(resource, key)
  const next = { ...object, metadata: { ...object.metadata, uid } }
  const result = await store.commit([{ resource, key, expected: present?.version ?? 0, object: next }])
  if (!result.ok) throw new Error(`could not put ${resource} ${key}`)
  return uid
}

export async function remove(store: Store, resource: string, key: string): Promise<void> {
  const present = await store.get(resource, key)
  await store.commit([{ resource, key, expected: present?.version ?? 0, object: undefined }])
}

export const admin: UserInfo = { username: 'admin', groups: ['system:masters', 'system:authenticated'] }

export function user(username: string, ...groups: string[]): UserInfo {
  return { username, groups: [...groups, 'system:authenticated'] }
}

export const node1: UserInfo = user('system:node:n1', 'system:nodes')

export const kinds = {
  configMaps: row('v1', 'configmaps'),
  leases: row('coordination.k8s.io/v1', 'leases'),
  namespaces: row('v1', 'namespaces'),
  nodes: row('v1', 'nodes'),
  pods: row('v1', 'pods'),
  priorityClasses: row('scheduling.k8s.io/v1', 'priorityclasses'),
  clusterRoles: row('rbac.authorization.k8s.io/v1', 'clusterroles'),
  roleBindings: row('rbac.authorization.k8s.io/v1', 'rolebindings'),
  roles: row('rbac.authorization.k8s.io/v1', 'roles'),
  serviceAccounts: row('v1', 'serviceaccounts'),
  services: row('v1', 'services')
} as const

/** An admission request; by default the administrator's creation of `object` in "ns", or of no namespace. */
export function admission(
  given: Pick<AdmissionRequest, 'store' | 'ports'> & { kind: Kind } & Partial<AdmissionRequest>
): AdmissionRequest {
  const name = given.object?.metadata.name ?? given.old?.metadata.name
  return {
    operation: 'CREATE',
    subresource: undefined,
    namespace: given.kind.namespaced ? 'ns' : undefined,
    name,
    object: undefined,
    old: undefined,
    user: admin,
    dryRun: false,
    round: { second: false, again: false, state: undefined },
    options: () => ({}),
    warn: () => {},
    annotate: () => {},
    ...given
  }
}

/** A request to a resource's handler, with a JSON body. */
export function resourceRequest(given: Partial<ResourceRequest> & { kind: Kind; body?: unknown; query?: string }) {
  const { body, query = '', ...rest } = given
  const request: ResourceRequest = {
    request: {
      method: body === undefined ? 'GET' : 'POST',
      path: '/',
      query: new URLSearchParams(query),
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: { bytes: Buffer.from(JSON.stringify(body)) } })
    },
    user: admin,
    namespace: given.kind.namespaced ? 'ns' : undefined,
    name: undefined,
    subresource: undefined,
    ...rest
  }
  return request
}

export function context(store: Store, ports: Ports): ApiContext {
  const authorizer = { authorize: async () => ({ allowed: true, reason: '' }) }
  return { store, ports, authorizer, admission: [], effects: [] }
}
