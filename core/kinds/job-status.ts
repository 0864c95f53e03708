/** Validation of a Job's status: what its controller may say, and what it may not take back. */
import type { FieldError } from '../errors.ts'
import { duplicate, invalid, required } from '../field-errors.ts'
import { checkNonnegative, type Errors, sameValue } from './checks.ts'
import { goStruct } from './go-structs.ts'
import { countIndexes, overlappingIndex } from './job-indexes.ts'
import type { Job, JobStatus } from './types.ts'

function has(status: JobStatus, type: string, value = 'True'): boolean {
  return status.conditions?.some((one) => one.type === type && one.status === value) ?? false
}

const isFinished = (status: JobStatus) => has(status, 'Complete') || has(status, 'Failed')

/** What a status says; each rule is asked only where something that it looks at has changed. */
interface View {
  readonly job: Job
  readonly status: JobStatus
  readonly before: JobStatus
  readonly errors: Errors
  changed(...fields: readonly (keyof JobStatus)[]): boolean
  /** Whether one of the conditions was set or unset. */
  turned(...types: readonly string[]): boolean
}

export function validateJobStatus(job: Job, old: Job): FieldError[] {
  const [status, before] = [job.status ?? {}, old.status ?? {}]
  const errors: FieldError[] = []
  const view: View = {
    job,
    status,
    before,
    errors,
    changed: (...fields) => fields.some((field) => !sameValue(status[field], before[field])),
    turned: (...types) => types.some((type) => has(status, type) !== has(before, type))
  }
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
    checkNonnegative(status[field], `status.${field}`, errors)
  checkUncounted(status, errors)
  checkConditions(view)
  checkFinished(view)
  checkIndexes(view)
  checkCounts(view)
  checkCriteria(view)
  checkKept(view)
  return errors
}

function checkUncounted({ uncountedTerminatedPods: uncounted }: JobStatus, errors: Errors): void {
  const seen = new Set<string>()
  for (const list of ['succeeded', 'failed'] as const)
    uncounted?.[list]?.forEach((uid, i) => {
      const path = `status.uncountedTerminatedPods.${list}[${i}]`
      if (uid === '') errors.push(invalid(path, uid, 'must not be empty'))
      else if (seen.has(uid)) errors.push(duplicate(path, uid))
      else seen.add(uid)
    })
}

function checkConditions({ status, errors, changed, turned }: View): void {
  const complete = has(status, 'Complete')
  const refuse = (why: string) => void errors.push(invalid('status.conditions', undefined, why))
  if (turned('Complete', 'Failed') && complete && has(status, 'Failed'))
    refuse('cannot set Complete=True and Failed=true conditions')
  if (turned('Complete', 'FailureTarget') && complete && has(status, 'FailureTarget'))
    refuse('cannot set Complete=True and FailureTarget=true conditions')
  const { startTime, completionTime } = status
  const path = 'status.completionTime'
  if (turned('Complete') || changed('completionTime')) {
    if (completionTime !== undefined && !complete)
      errors.push(invalid(path, completionTime, 'cannot set completionTime when there is no Complete=True condition'))
    if (completionTime === undefined && complete)
      errors.push(required(path, 'completionTime is required for Complete jobs'))
  }
  if (changed('startTime', 'completionTime') && startTime !== undefined && completionTime !== undefined)
    if (Date.parse(completionTime) < Date.parse(startTime))
      errors.push(invalid(path, completionTime, 'must be equal to or after `startTime`'))
  if ((turned('Failed') || changed('failedIndexes')) && has(status, 'Failed') && !has(status, 'FailureTarget'))
    refuse('cannot set Failed=True condition without the FailureTarget=true condition')
  if (turned('Complete', 'SuccessCriteriaMet') && complete && !has(status, 'SuccessCriteriaMet'))
    refuse('cannot set Complete=True condition without the SuccessCriteriaMet=true condition')
}

function checkFinished({ job, status, before, errors, changed }: View): void {
  const finished = isFinished(status)
  const ended = finished !== isFinished(before)
  const { active = 0, uncountedTerminatedPods: uncounted } = status
  if ((ended || changed('active')) && active > 0 && finished)
    errors.push(invalid('status.active', active, 'active>0 is invalid for finished job'))
  const nothingToDo = job.spec?.suspend === true && job.spec.completions === 0
  if ((ended || changed('startTime')) && !nothingToDo && status.startTime === undefined && finished)
    errors.push(required('status.startTime', 'startTime is required for finished job'))
  const pending = (uncounted?.failed ?? []).length + (uncounted?.succeeded ?? []).length
  if ((ended || changed('uncountedTerminatedPods')) && finished && pending > 0)
    errors.push(
      invalid(
        'status.uncountedTerminatedPods',
        goStruct('UncountedTerminatedPods', uncounted ?? {}),
        'must be empty for finished job'
      )
    )
}

function checkIndexes({ job, status, errors, changed }: View): void {
  const { completions, backoffLimitPerIndex, completionMode } = job.spec ?? {}
  const { completedIndexes: completed = '', failedIndexes: failed } = status
  const [completedChanged, failedChanged] = [changed('completedIndexes'), changed('failedIndexes')]
  const check = (field: 'completedIndexes' | 'failedIndexes', list: string) => {
    const read = countIndexes(list, completions ?? 0)
    if (typeof read === 'string') errors.push(invalid(`status.${field}`, list, `error parsing ${field}: ${read}`))
  }
  if (completedChanged && completions !== undefined) check('completedIndexes', completed)
  if (failedChanged && completions !== undefined && backoffLimitPerIndex !== undefined && failed !== undefined)
    check('failedIndexes', failed)
  if (completedChanged && completed !== '' && completionMode !== 'Indexed')
    errors.push(
      invalid(
        'status.completedIndexes',
        completed,
        'cannot set non-empty completedIndexes when non-indexed completion mode'
      )
    )
  if (failed === undefined) return
  if (failedChanged && backoffLimitPerIndex === undefined)
    errors.push(
      invalid('status.failedIndexes', failed, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null')
    )
  if (!(failedChanged || completedChanged) || completions === undefined) return
  const shared = overlappingIndex(completed, failed, completions)
  if (shared !== undefined)
    errors.push(
      invalid('status.failedIndexes', failed, `failedIndexes and completedIndexes overlap at index: ${shared}`)
    )
}

function checkCounts({ status, before, errors, changed }: View): void {
  const { terminating = 0, ready = 0, active = 0 } = status
  const ended = isFinished(status) !== isFinished(before)
  if ((ended || changed('terminating')) && terminating > 0 && isFinished(status))
    errors.push(invalid('status.terminating', terminating, 'terminating>0 is invalid for finished job'))
  if (changed('ready', 'active') && ready > active)
    errors.push(invalid('status.ready', ready, 'cannot set more ready pods than active'))
}

function checkCriteria({ job, status, errors }: View): void {
  const met = has(status, 'SuccessCriteriaMet')
  const refuse = (why: string) => void errors.push(invalid('status.conditions', undefined, why))
  if (met && has(status, 'Failed')) refuse('cannot set SuccessCriteriaMet=True and Failed=true conditions')
  if (met && has(status, 'FailureTarget'))
    refuse('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions')
  if (job.spec?.successPolicy !== undefined && !met && has(status, 'Complete'))
    refuse('cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True')
}

/** What was said once stays so. */
function checkKept({ job, status, before, errors, changed }: View): void {
  const refuse = (why: string) => void errors.push(invalid('status.conditions', undefined, why))
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (has(before, type) && !has(status, type)) refuse(`cannot disable the terminal ${type}=True condition`)
  const lower = (field: 'failed' | 'succeeded') => (status[field] ?? 0) < (before[field] ?? 0)
  if (lower('failed')) errors.push(invalid('status.failed', status.failed ?? 0, 'cannot decrease the failed counter'))
  const { completionMode, completions, parallelism, suspend } = job.spec ?? {}
  if (lower('succeeded') && !(completionMode === 'Indexed' && completions === parallelism))
    errors.push(invalid('status.succeeded', status.succeeded ?? 0, 'cannot decrease the succeeded counter'))
  const { completionTime, startTime } = status
  if (completionTime !== undefined && before.completionTime !== undefined && completionTime !== before.completionTime)
    errors.push(invalid('status.completionTime', completionTime, 'field is immutable'))
  const resuming = has(before, 'Suspended') && has(status, 'Suspended', 'False')
  if (changed('startTime') && !resuming && before.startTime !== undefined && before.startTime !== startTime)
    if (suspend !== true) errors.push(required('status.startTime', 'startTime cannot be removed for unsuspended job'))
  if (has(before, 'SuccessCriteriaMet') && !has(status, 'SuccessCriteriaMet'))
    refuse('cannot disable the SuccessCriteriaMet=True condition')
  if (has(before, 'Complete') && !has(before, 'SuccessCriteriaMet') && has(status, 'SuccessCriteriaMet'))
    refuse('cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions')
}
