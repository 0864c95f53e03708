/** Roles that others changed: RBAC over a store of many processes. */
import { ApiError, isReason } from '../../core/errors.ts'
import type { StoreNews } from '../../store/store.ts'
import type { RbacAuthorizer } from '../api/authz.ts'
import { BELL } from '../api/bootstrap.ts'
import type { Effect } from '../api/types.ts'

/** What is kept in memory until a change to it is heard, beside the roles: see who calls `store.onChange`. */
export const FOLLOWED: readonly string[] = [
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'limitranges',
  'resourcequotas',
  'scheduling.k8s.io/priorityclasses',
  'apiextensions.k8s.io/customresourcedefinitions',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/mutatingadmissionpolicies',
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings'
]

const KEY = 'followed'
const isFollowed = new Set(FOLLOWED)

/**
 * Rings the bell in the transaction of each change to what is followed, so that whoever looks for news reads one
 * counter instead of all of them. That a quota has counted something is no news.
 */
export const ringBell: Effect = async ({ kind, old, next }, store) => {
  const counts = kind.storage === 'resourcequotas' && old !== undefined && next !== undefined
  if (!isFollowed.has(kind.storage) || counts) return []
  const rung = await store.get(BELL, KEY)
  const object = { kind: 'Bell', apiVersion: 'internal.wherry.dev/v1', metadata: { name: KEY } }
  return [{ resource: BELL, key: KEY, expected: rung?.version ?? 0, object }]
}

/**
 * Milliseconds for which a request may rest on what this process last heard. Kubernetes' API servers see each other's
 * changes after some tens of milliseconds, without a promise. Every request that comes later pays one small read,
 * which an idle cluster does not; while requests come closer together than this, they share it. Half a second is
 * about the time that a rollout's requests take together, and far below that in which somebody who lost a right could
 * have been kept from using it.
 */
const NEWS_MS = 500

/**
 * A permission may be that old; a refusal never is: before it is told, somebody looks once more. `lost`: what changed
 * since is no longer known, as after a long sleep; what this process keeps is of no use any more.
 */
export function freshAuthorizer(
  rbac: RbacAuthorizer,
  { news, lost }: { readonly news: StoreNews; readonly lost: () => void }
): RbacAuthorizer {
  const hear = async (maxAgeMs: number): Promise<boolean> => {
    try {
      return await news.hear(maxAgeMs)
    } catch (error) {
      if (!isReason(error, 'Expired')) throw error
      lost()
      throw new ApiError('ServiceUnavailable', 'the server begins anew after a long sleep: please try again', {
        details: { retryAfterSeconds: 1 }
      })
    }
  }
  return {
    authorize: async (attributes) => {
      await hear(NEWS_MS)
      const decision = await rbac.authorize(attributes)
      if (decision.allowed || !(await hear(0))) return decision
      return await rbac.authorize(attributes)
    },
    rulesFor: (user, namespace) => rbac.rulesFor(user, namespace),
    rulesOf: (ref, namespace) => rbac.rulesOf(ref, namespace),
    close: () => rbac.close()
  }
}
