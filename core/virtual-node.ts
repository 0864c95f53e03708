/** A Node that is no machine: a platform without machines runs its pods. It has no agent, no lease and no pod range. */
import type { Node } from './kinds/types.ts'

export const VIRTUAL = 'wherry.dev/virtual'

/** Pods that select it so run as Fargate tasks. */
export const COMPUTE = 'wherry.dev/compute'
export const FARGATE = 'fargate'
/** The taint that keeps all others away; who selects it tolerates it (lambdas/api/admission/fargate.ts). */
export const FARGATE_TAINT = 'wherry.dev/fargate'

export function isVirtual({ metadata }: Node): boolean {
  return metadata.labels?.[VIRTUAL] === 'true'
}
