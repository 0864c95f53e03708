import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, notSupported } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { checkAmount, checkNotMoreThanAll } from './apps-strategy.ts'
import { checkLabelSelector, checkNonnegative } from './checks.ts'
import { checkConditions } from './conditions.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import type { PodDisruptionBudget } from './types.ts'

const asBudget = (object: KubeObject) => object as unknown as PodDisruptionBudget
const EVICTION_POLICIES = ['AlwaysAllow', 'IfHealthyBudget']

function validateBudget(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec = {} } = asBudget(object)
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    errors.push(
      invalid('spec', goStruct('PodDisruptionBudgetSpec', spec), 'minAvailable and maxUnavailable cannot be both set')
    )
  for (const field of ['minAvailable', 'maxUnavailable'] as const) {
    const amount = spec[field]
    if (amount === undefined) continue
    checkAmount(amount, `spec.${field}`, errors)
    checkNotMoreThanAll(amount, `spec.${field}`, errors)
  }
  checkLabelSelector(spec.selector, 'spec.selector', errors)
  if (policy !== undefined && !EVICTION_POLICIES.includes(policy))
    errors.push(notSupported('spec.unhealthyPodEvictionPolicy', policy, EVICTION_POLICIES))
  return errors
}

const empty = () => ({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 })

const rules: Rules = {
  ...specAndStatus(empty),
  validate: validateBudget,
  validateStatus: (next) => {
    const errors: FieldError[] = []
    const { status } = asBudget(next)
    checkConditions(status?.conditions, 'status.conditions', errors)
    for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const)
      checkNonnegative(status?.[field], `status.${field}`, errors)
    return errors
  },
  generation: true,
  cells: (object, now) => {
    const { metadata, spec = {}, status } = asBudget(object)
    return [
      metadata.name ?? '',
      String(spec.minAvailable ?? 'N/A'),
      String(spec.maxUnavailable ?? 'N/A'),
      status?.disruptionsAllowed ?? 0,
      age(metadata.creationTimestamp, now)
    ]
  }
}

export const disruptionKinds: readonly Kind[] = [row('policy/v1', 'poddisruptionbudgets', rules)]
