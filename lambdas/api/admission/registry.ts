/** The admission plugins in the order in which they run. A new one is a file here and a line below. */
import { type AddressOptions, addressEffect } from '../addresses.ts'
import type { RbacAuthorizer } from '../authz.ts'
import { quotaEffect } from '../quota-effect.ts'
import type { AdmissionPlugin, Effect } from '../types.ts'
import { appArmorFields } from './app-armor.ts'
import { certificateAdmission } from './certificates.ts'
import { claimResize } from './claim-resize.ts'
import { defaultIngressClass } from './default-ingress-class.ts'
import { defaultStorageClass } from './default-storage-class.ts'
import { defaultTolerationSeconds } from './default-toleration-seconds.ts'
import { admissionExtensions, type ExtensionOptions } from './extensions.ts'
import { fargateToleration } from './fargate.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import { podSecurity } from './pod-security/plugin.ts'
import { podTopologyLabels } from './pod-topology-labels.ts'
import { podPriority } from './priority.ts'
import { rbacEscalation } from './rbac-escalation.ts'
import { resourceQuota } from './resource-quota.ts'
import { runtimeClass } from './runtime-class.ts'
import { serviceAccount } from './service-account.ts'
import { serviceAddresses } from './service-addresses.ts'
import { storageProtection } from './storage-protection.ts'
import { taintNodesByCondition } from './taint-nodes-by-condition.ts'

export interface AdmissionOptions extends AddressOptions, ExtensionOptions {
  readonly authorizer: RbacAuthorizer
}

export function admissionPlugins(options: AdmissionOptions): readonly AdmissionPlugin[] {
  return [
    rbacEscalation(options.authorizer),
    namespaceLifecycle,
    limitRanger,
    serviceAccount,
    nodeRestriction,
    taintNodesByCondition,
    podSecurity,
    podPriority,
    defaultTolerationSeconds,
    fargateToleration,
    defaultStorageClass,
    storageProtection,
    claimResize,
    runtimeClass,
    certificateAdmission(options.authorizer),
    defaultIngressClass,
    podTopologyLabels,
    appArmorFields,
    serviceAddresses(options),
    ...admissionExtensions(options),
    // The last, so that nothing is counted that others refuse.
    resourceQuota
  ]
}

/** What changes in the transaction of another object; the scheduler's ledger comes beside these. */
export const admissionEffects: readonly Effect[] = [addressEffect, quotaEffect]
