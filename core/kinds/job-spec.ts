/** Validation of the spec of a Job, also inside CronJobs. */
import { invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { byteLength } from '../names.ts'
import { checkDomainPath, checkNonnegative, type Errors } from './checks.ts'
import { goStruct } from './go-structs.ts'
import { checkFailurePolicy, checkReplacementPolicy, checkSuccessPolicy } from './job-policies.ts'
import { checkPodTemplate } from './pod-validate.ts'
import type { JobSpec } from './types.ts'

const MOST_MANAGED_BY = 63
const MOST_PARALLEL = 100_000
const MOST_FAILED = 100_000
/** From here on stricter limits hold for an Indexed Job with a back-off limit per index. */
const MANY_COMPLETIONS = 100_000
const MOST_OF_MANY = 10_000

export function checkJobSpec(spec: JobSpec, path: string, errors: Errors): void {
  for (const field of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes'
  ] as const)
    checkNonnegative(spec[field], `${path}.${field}`, errors)
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  if (spec.managedBy !== undefined) {
    checkDomainPath(spec.managedBy, `${path}.managedBy`, errors)
    if (byteLength(spec.managedBy) > MOST_MANAGED_BY) errors.push(tooLong(`${path}.managedBy`, MOST_MANAGED_BY))
  }
  checkMode(spec, path, errors)
  if (spec.podFailurePolicy !== undefined) checkFailurePolicy(spec, `${path}.podFailurePolicy`, errors)
  if (spec.successPolicy !== undefined) {
    const at = `${path}.successPolicy`
    if (spec.completionMode === 'Indexed') checkSuccessPolicy(spec, at, errors)
    else errors.push(invalid(at, goStruct('SuccessPolicy', spec.successPolicy), 'requires indexed completion mode'))
  }
  checkReplacementPolicy(spec, `${path}.podReplacementPolicy`, errors)
  checkPodTemplate(spec.template, `${path}.template`, errors)
  checkRestartPolicy(spec, `${path}.template.spec.restartPolicy`, errors)
}

function checkMode(spec: JobSpec, path: string, errors: Errors): void {
  const { completionMode: mode } = spec
  if (mode !== undefined && mode !== 'NonIndexed' && mode !== 'Indexed')
    errors.push(notSupported(`${path}.completionMode`, mode, ['NonIndexed', 'Indexed']))
  if (mode === 'Indexed') checkIndexed(spec, path, errors)
  if (mode !== undefined && mode !== 'NonIndexed') return
  for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
    if (spec[field] !== undefined)
      errors.push(invalid(`${path}.${field}`, spec[field], 'requires indexed completion mode'))
}

function checkIndexed(spec: JobSpec, path: string, errors: Errors): void {
  const { completions, parallelism, maxFailedIndexes: failed } = spec
  if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'))
  if (parallelism !== undefined && parallelism > MOST_PARALLEL)
    errors.push(
      invalid(
        `${path}.parallelism`,
        parallelism,
        `must be less than or equal to ${MOST_PARALLEL} when completion mode is Indexed`
      )
    )
  const at = `${path}.maxFailedIndexes`
  if (completions !== undefined && failed !== undefined && failed > completions)
    errors.push(invalid(at, failed, 'must be less than or equal to completions'))
  if (failed !== undefined && failed > MOST_FAILED)
    errors.push(invalid(at, failed, `must be less than or equal to ${MOST_FAILED}`))
  if (completions === undefined || completions <= MANY_COMPLETIONS || spec.backoffLimitPerIndex === undefined) return
  if (failed === undefined) errors.push(required(at, `must be specified when completions is above ${MANY_COMPLETIONS}`))
  const why = `must be less than or equal to ${MOST_OF_MANY} when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`
  if (parallelism !== undefined && parallelism > MOST_OF_MANY)
    errors.push(invalid(`${path}.parallelism`, parallelism, why))
  if (failed !== undefined && failed > MOST_OF_MANY) errors.push(invalid(at, failed, why))
}

function checkRestartPolicy(spec: JobSpec, path: string, errors: Errors): void {
  const policy = spec.template?.spec?.restartPolicy ?? ''
  if (policy === 'Always' || policy === '') errors.push(required(path, 'valid values: "OnFailure", "Never"'))
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.push(notSupported(path, policy, ['OnFailure', 'Never']))
  else if (spec.podFailurePolicy !== undefined && policy !== 'Never')
    errors.push(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))
}
