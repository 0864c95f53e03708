/** How a Deployment replaces its pods: defaults and validation. */
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isPercent } from '../names.ts'
import { checkNonnegative, complaints, type Errors } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { DeploymentSpec, DeploymentStrategy, IntOrString, RollingUpdateDeployment } from './types.ts'

const STRATEGIES = ['Recreate', 'RollingUpdate']

export function defaultStrategy(strategy: DeploymentStrategy): DeploymentStrategy {
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {}
    strategy.rollingUpdate.maxUnavailable ??= '25%'
    strategy.rollingUpdate.maxSurge ??= '25%'
  }
  return strategy
}

/** Everything of the spec but replicas, selector and template. */
export function checkRollout(spec: DeploymentSpec, path: string, errors: Errors): void {
  checkStrategy(spec.strategy ?? {}, `${path}.strategy`, errors)
  const { minReadySeconds = 0, progressDeadlineSeconds: deadline } = spec
  checkNonnegative(minReadySeconds, `${path}.minReadySeconds`, errors)
  checkNonnegative(spec.revisionHistoryLimit, `${path}.revisionHistoryLimit`, errors)
  if (deadline === undefined) return
  checkNonnegative(deadline, `${path}.progressDeadlineSeconds`, errors)
  if (deadline <= minReadySeconds)
    errors.push(invalid(`${path}.progressDeadlineSeconds`, deadline, 'must be greater than minReadySeconds'))
}

function checkStrategy(strategy: DeploymentStrategy, path: string, errors: Errors): void {
  const { type = '', rollingUpdate } = strategy
  if (type === 'Recreate') {
    if (rollingUpdate !== undefined)
      errors.push(forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'"))
  } else if (type === 'RollingUpdate') {
    if (rollingUpdate === undefined)
      errors.push(required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil'))
    else checkRollingUpdate(rollingUpdate, `${path}.rollingUpdate`, errors)
  } else errors.push(notSupported(path, goStruct('DeploymentStrategy', printed(strategy)), STRATEGIES))
}

/** The amounts are no pointers to Go: what is missing is 0. */
function printed({ type, rollingUpdate }: DeploymentStrategy): DeploymentStrategy {
  if (rollingUpdate === undefined) return { type }
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate
  return { type, rollingUpdate: { maxUnavailable, maxSurge } }
}

function checkRollingUpdate(update: RollingUpdateDeployment, path: string, errors: Errors): void {
  const { maxUnavailable = 0, maxSurge = 0 } = update
  checkAmount(maxUnavailable, `${path}.maxUnavailable`, errors)
  checkAmount(maxSurge, `${path}.maxSurge`, errors)
  if (amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0)
    errors.push(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
  checkNotMoreThanAll(maxUnavailable, `${path}.maxUnavailable`, errors)
}

/** A number of pods, or a percentage of them. */
export function checkAmount(value: IntOrString, path: string, errors: Errors): void {
  if (typeof value === 'string') errors.push(...complaints(path, value, isPercent(value)))
  else checkNonnegative(value, path, errors)
}

export function checkNotMoreThanAll(value: IntOrString, path: string, errors: Errors): void {
  if (typeof value === 'string' && isPercent(value).length === 0 && amountOf(value) > 100)
    errors.push(invalid(path, value, 'must not be greater than 100%'))
}

/** "25%" is 25; another text is what Go's Atoi makes of it. */
function amountOf(value: IntOrString): number {
  if (typeof value === 'number') return value
  const digits = /^[+-]?[0-9]+(?=%?$)/.exec(value)
  return digits === null ? 0 : Number(digits[0])
}
