import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, notSupported, required } from '../field-errors.ts'
import { byteLength } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { selectorText } from './apps.ts'
import { checkNonnegative, type Errors, printedSelector } from './checks.ts'
import { isTimeZone, parseCron } from './cron-schedule.ts'
import { checkJobSpec } from './job-spec.ts'
import { defaultFailurePatterns } from './jobs.ts'
import type { Kind, Rules } from './kind.ts'
import { defaultPodTemplate } from './pod-defaults.ts'
import { hostnameWarnings, templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import { templateCells } from './template-cells.ts'
import type { CronJob, CronJobSpec } from './types.ts'

const asCron = (object: KubeObject) => object as unknown as CronJob
const POLICIES = ['Allow', 'Forbid', 'Replace']
/** Its Jobs' names have eleven more characters, and 63 at most. */
const MOST_NAME = 52

function defaultCronJob(object: KubeObject): void {
  const { spec } = asCron(object)
  if (spec === undefined) return
  spec.concurrencyPolicy ||= 'Allow'
  spec.suspend ??= false
  spec.successfulJobsHistoryLimit ??= 3
  spec.failedJobsHistoryLimit ??= 1
  spec.jobTemplate.metadata ??= {}
  const job = spec.jobTemplate.spec
  if (job === undefined) return
  job.template ??= {}
  defaultFailurePatterns(job)
  defaultPodTemplate(job.template)
}

function checkSchedule(spec: CronJobSpec, old: CronJobSpec | undefined, errors: Errors): void {
  const { schedule = '', timeZone } = spec
  const path = 'spec.schedule'
  if (schedule === '') {
    errors.push(required(path))
    return
  }
  const parsed = parseCron(schedule)
  if (typeof parsed === 'string') errors.push(invalid(path, schedule, parsed))
  if (!schedule.includes('TZ')) return
  // Former versions let it through.
  const allowed = old?.schedule?.includes('TZ') === true
  if (!allowed) errors.push(invalid(path, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'))
  else if (timeZone !== undefined)
    errors.push(invalid(path, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'))
}

const ZONE_PART = /^[A-Za-z.\-_0-9+]{1,14}$/

function checkTimeZone(zone: string | undefined, path: string, errors: Errors): void {
  if (zone === undefined) return
  if (zone === '') {
    errors.push(invalid(path, zone, 'timeZone must be nil or non-empty string'))
    return
  }
  const wrong = (part: string) => part === '.' || part === '..' || part.startsWith('-') || !ZONE_PART.test(part)
  if (zone.split('/').some(wrong)) {
    errors.push(invalid(path, zone, `unknown time zone ${zone}`))
    return
  }
  if (zone.toLowerCase() === 'local')
    errors.push(
      invalid(path, zone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones')
    )
  if (!isTimeZone(zone)) errors.push(invalid(path, zone, `unknown time zone ${zone}`))
}

function checkJobTemplate({ jobTemplate }: CronJobSpec, errors: Errors): void {
  const path = 'spec.jobTemplate.spec'
  const spec = jobTemplate?.spec
  if (spec === undefined) return
  checkJobSpec(spec, path, errors)
  if (spec.selector !== undefined)
    errors.push(invalid(`${path}.selector`, printedSelector(spec.selector), '`selector` will be auto-generated'))
  if (spec.manualSelector === true) errors.push(notSupported(`${path}.manualSelector`, true, ['nil', 'false']))
}

function validateCronJob(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec } = asCron(object)
  if (spec === undefined) return errors
  const before = old === undefined ? undefined : asCron(old).spec
  checkSchedule(spec, before, errors)
  checkNonnegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds', errors)
  if (before === undefined || before.timeZone !== spec.timeZone) checkTimeZone(spec.timeZone, 'spec.timeZone', errors)
  const policy = spec.concurrencyPolicy
  if (!policy) errors.push(required('spec.concurrencyPolicy'))
  else if (!POLICIES.includes(policy)) errors.push(notSupported('spec.concurrencyPolicy', policy, POLICIES))
  checkJobTemplate(spec, errors)
  checkNonnegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit', errors)
  checkNonnegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit', errors)
  const { name = '' } = metadata
  if (old === undefined && byteLength(name) > MOST_NAME)
    errors.push(invalid('metadata.name', name, 'must be no more than 52 characters'))
  return errors
}

const OLD_ZONE =
  'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details'

const ofTemplate = templateWarnings(
  (object) => asCron(object).spec?.jobTemplate.spec?.template,
  'spec.jobTemplate.spec.template'
)

const rules: Rules = {
  ...specAndStatus(),
  defaults: defaultCronJob,
  validate: validateCronJob,
  warnings: (next, old) => [
    ...(old === undefined ? hostnameWarnings(next.metadata.name, 'Pod names and hostnames') : []),
    ...ofTemplate(next, old),
    ...(old !== undefined && asCron(next).spec?.schedule?.includes('TZ') === true ? [OLD_ZONE] : [])
  ],
  generation: true,
  cells: (object, now) => {
    const { metadata, spec, status = {} } = asCron(object)
    const { lastScheduleTime: last } = status
    return [
      metadata.name ?? '',
      spec?.schedule ?? '',
      spec?.timeZone ?? '<none>',
      spec?.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False',
      status.active?.length ?? 0,
      last === undefined ? '<none>' : age(last, now),
      age(metadata.creationTimestamp, now),
      ...templateCells(spec?.jobTemplate.spec?.template),
      spec?.jobTemplate.spec?.selector === undefined
        ? '<none>'
        : selectorText(spec.jobTemplate.spec.selector) || '<none>'
    ]
  }
}

export const cronJobKinds: readonly Kind[] = [row('batch/v1', 'cronjobs', rules)]
