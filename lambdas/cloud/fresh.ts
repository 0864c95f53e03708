/** Roles that others changed: RBAC over a store of many processes. */
import { ApiError, isReason } from '../../core/errors.ts'
import type { StoreNews } from '../../store/store.ts'
import type { RbacAuthorizer } from '../api/authz.ts'

/** What is kept in memory until a change to it is heard, beside the roles: see who calls `store.onChange`. */
export const FOLLOWED: readonly string[] = [
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'limitranges',
  'resourcequotas',
  'scheduling.k8s.io/priorityclasses'
]

/**
 * Milliseconds for which a request may rest on what this process last heard. Kubernetes' API servers see each other's
 * changes after some tens of milliseconds, without a promise. Every request that comes later pays one batch of small
 * reads, which an idle cluster does not; while requests come closer together than this, they share it. Half a second is
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
