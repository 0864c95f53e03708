/** The admission plugins in the order in which they run. A new one is a file here and a line below. */
import { type AddressOptions, addressEffect } from '../addresses.ts'
import type { RbacAuthorizer } from '../authz.ts'
import type { AdmissionPlugin, Effect } from '../types.ts'
import { defaultTolerationSeconds } from './default-toleration-seconds.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import { podPriority } from './priority.ts'
import { rbacEscalation } from './rbac-escalation.ts'
import { serviceAccount } from './service-account.ts'
import { serviceAddresses } from './service-addresses.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'

export interface AdmissionOptions extends AddressOptions {
  readonly authorizer: RbacAuthorizer
}

export function admissionPlugins(options: AdmissionOptions): readonly AdmissionPlugin[] {
  return [
    namespaceLifecycle,
    serviceAccount,
    nodeRestriction,
    taintNodesByCondition,
    podPriority,
    defaultTolerationSeconds,
    serviceAddresses(options),
    rbacEscalation(options.authorizer)
  ]
}

/** What changes in the transaction of another object; the scheduler's ledger comes beside these. */
export const admissionEffects: readonly Effect[] = [addressEffect]
