/** Validation of what a Job makes of its pods' failures and successes. */
import { duplicate, invalid, notSupported, required, tooLong, tooMany } from '../field-errors.ts'
import { goQuote } from '../go-text.ts'
import { checkNonnegative, checkQualifiedName, type Errors } from './checks.ts'
import { countIndexes } from './job-indexes.ts'
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
  SuccessPolicyRule
} from './types.ts'

const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const STATUSES = ['False', 'True', 'Unknown']
const OPERATORS = ['In', 'NotIn']
const REPLACEMENTS = ['Failed', 'TerminatingOrFailed']
const MOST = { rules: 20, exitCodes: 255, conditions: 20, indexesBytes: 64 * 1024 } as const

/** As Go's %q prints a list: ["A" "B"]. */
const quotedList = (list: readonly string[]) => `[${list.map(goQuote).join(' ')}]`

function checkChoice(
  value: string | undefined,
  path: string,
  how: { allowed: readonly string[]; errors: Errors }
): void {
  const { allowed, errors } = how
  if (!value) errors.push(required(path, `valid values: ${quotedList(allowed)}`))
  else if (!allowed.includes(value)) errors.push(notSupported(path, value, allowed))
}

export function checkFailurePolicy(spec: JobSpec, path: string, errors: Errors): void {
  const rules = spec.podFailurePolicy?.rules ?? []
  if (rules.length > MOST.rules) errors.push(tooMany(`${path}.rules`, rules.length, MOST.rules))
  const { containers = [], initContainers = [] } = spec.template.spec ?? {}
  const names = new Set([...containers, ...initContainers].map(({ name }) => name))
  rules.forEach((rule, i) => {
    checkRule(rule, `${path}.rules[${i}]`, { errors, names, perIndex: spec.backoffLimitPerIndex !== undefined })
  })
}

interface RuleScope {
  readonly errors: Errors
  readonly names: ReadonlySet<string>
  readonly perIndex: boolean
}

function checkRule(rule: PodFailurePolicyRule, path: string, scope: RuleScope): void {
  const { errors } = scope
  const { action, onExitCodes, onPodConditions = [] } = rule
  if (action !== 'FailIndex') checkChoice(action, `${path}.action`, { allowed: ACTIONS, errors })
  else if (!scope.perIndex)
    errors.push(invalid(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set'))
  if (onExitCodes !== undefined) checkExitCodes(onExitCodes, `${path}.onExitCodes`, scope)
  if (onPodConditions.length > 0) checkConditions(onPodConditions, `${path}.onPodConditions`, errors)
  if (onExitCodes !== undefined && onPodConditions.length > 0)
    errors.push(invalid(path, undefined, 'specifying both OnExitCodes and OnPodConditions is not supported'))
  if (onExitCodes === undefined && onPodConditions.length === 0)
    errors.push(invalid(path, undefined, 'specifying one of OnExitCodes and OnPodConditions is required'))
}

function checkConditions(
  patterns: readonly PodFailurePolicyOnPodConditionsPattern[],
  path: string,
  errors: Errors
): void {
  if (patterns.length > MOST.conditions) errors.push(tooMany(path, patterns.length, MOST.conditions))
  patterns.forEach(({ type, status }, i) => {
    checkQualifiedName(type, `${path}[${i}].type`, errors)
    checkChoice(status, `${path}[${i}].status`, { allowed: STATUSES, errors })
  })
}

function checkExitCodes(
  { operator, containerName, values }: PodFailurePolicyOnExitCodesRequirement,
  path: string,
  { errors, names }: RuleScope
): void {
  checkChoice(operator, `${path}.operator`, { allowed: OPERATORS, errors })
  if (containerName !== undefined && !names.has(containerName))
    errors.push(
      invalid(
        `${path}.containerName`,
        containerName,
        'must be one of the container or initContainer names in the pod template'
      )
    )
  const codes = values ?? []
  const at = `${path}.values`
  if (codes.length === 0) errors.push(invalid(at, values ?? null, 'at least one value is required'))
  else if (codes.length > MOST.exitCodes) errors.push(tooMany(at, codes.length, MOST.exitCodes))
  const seen = new Set<number>()
  codes.forEach((code, i) => {
    if (operator === 'In' && code === 0) errors.push(invalid(`${at}[${i}]`, code, 'must not be 0 for the In operator'))
    if (seen.has(code)) errors.push(duplicate(`${at}[${i}]`, code))
    seen.add(code)
  })
  if (codes.some((code, i) => i > 0 && (codes[i - 1] ?? 0) > code)) errors.push(invalid(at, codes, 'must be ordered'))
}

export function checkSuccessPolicy(spec: JobSpec, path: string, errors: Errors): void {
  const rules = spec.successPolicy?.rules ?? []
  const at = `${path}.rules`
  if (rules.length === 0)
    errors.push(required(at, 'at least one rules must be specified when the successPolicy is specified'))
  if (rules.length > MOST.rules) errors.push(tooMany(at, rules.length, MOST.rules))
  rules.forEach((rule, i) => {
    checkSuccessRule(rule, `${at}[${i}]`, { completions: spec.completions ?? 0, errors })
  })
}

function checkSuccessRule(
  { succeededCount: count, succeededIndexes: indexes }: SuccessPolicyRule,
  path: string,
  { completions, errors }: { completions: number; errors: Errors }
): void {
  if (count === undefined && indexes === undefined)
    errors.push(required(path, 'at least one of succeededCount or succeededIndexes must be specified'))
  let total = 0
  if (indexes !== undefined) {
    const at = `${path}.succeededIndexes`
    if (indexes.length > MOST.indexesBytes) errors.push(tooLong(at, MOST.indexesBytes))
    const read = countIndexes(indexes, completions)
    if (typeof read === 'string') errors.push(invalid(at, indexes, `error parsing succeededIndexes: ${read}`))
    else total = read
  }
  if (count === undefined) return
  const at = `${path}.succeededCount`
  const atMost = (most: number, of: string) =>
    void errors.push(invalid(at, count, `must be less than or equal to ${most} (the number of ${of})`))
  checkNonnegative(count, at, errors)
  if (count > completions) atMost(completions, 'specified completions')
  if (indexes !== undefined && count > total) atMost(total, 'indexes in the specified succeededIndexes field')
}

export function checkReplacementPolicy(spec: JobSpec, path: string, errors: Errors): void {
  const { podReplacementPolicy: policy } = spec
  if (policy === undefined) return
  const allowed = spec.podFailurePolicy === undefined ? REPLACEMENTS : ['Failed']
  if (!allowed.includes(policy)) errors.push(notSupported(path, policy, allowed))
}
