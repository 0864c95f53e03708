import { age, humanDuration } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, required } from '../field-errors.ts'
import { isDNS1123Label } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { matcherOf, selectorText } from './apps.ts'
import { checkLabelSelector, type Errors, IMMUTABLE, printedSelector, sameValue, sorted } from './checks.ts'
import { goPodTemplate, goStruct } from './go-structs.ts'
import { checkJobSpec } from './job-spec.ts'
import { validateJobStatus } from './job-status.ts'
import type { Cell, Kind, Rules } from './kind.ts'
import { defaultPodTemplate } from './pod-defaults.ts'
import { hostnameWarnings, templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import { templateCells } from './template-cells.ts'
import type { Job, JobSpec, PodTemplateSpec } from './types.ts'

const asJob = (object: KubeObject) => object as unknown as Job
const MAX_INT32 = 2 ** 31 - 1
const NAME_LABELS = ['job-name', 'batch.kubernetes.io/job-name']
const UID_LABELS = ['controller-uid', 'batch.kubernetes.io/controller-uid']
const SELECTED = 'batch.kubernetes.io/controller-uid'

/** Also of the Jobs that a CronJob makes, as far as they are defaulted in it. */
export function defaultFailurePatterns(spec: JobSpec | undefined): void {
  for (const { onPodConditions = [] } of spec?.podFailurePolicy?.rules ?? [])
    for (const pattern of onPodConditions) pattern.status ||= 'True'
}

function defaultJob(object: KubeObject): void {
  const job = asJob(object)
  job.spec ??= { template: {} }
  const { spec, metadata } = job
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : MAX_INT32
  spec.template ??= {}
  const labels = spec.template.metadata?.labels
  if (labels !== undefined && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed'
  spec.manualSelector ??= false
  defaultFailurePatterns(spec)
  defaultPodTemplate(spec.template)
}

/** The pods of a Job are told by its uid. */
function generateSelector(job: Job): void {
  const { spec, metadata } = job
  if (spec === undefined || spec.manualSelector === true) return
  const before = { ...spec.template.metadata?.labels }
  spec.template.metadata ??= {}
  spec.template.metadata.labels ??= {}
  const { labels } = spec.template.metadata
  for (const label of NAME_LABELS) labels[label] ??= metadata.name ?? ''
  for (const label of UID_LABELS) labels[label] ??= metadata.uid ?? ''
  // A Job without labels of its own has those of its template, in Kubernetes with the generated ones.
  if (sameValue(metadata.labels ?? {}, before)) metadata.labels = { ...labels }
  spec.selector ??= {}
  spec.selector.matchLabels = { ...spec.selector.matchLabels }
  spec.selector.matchLabels[SELECTED] ??= metadata.uid ?? ''
}

function checkGenerated({ metadata, spec }: Job, prefixed: boolean, errors: Errors): void {
  if (spec?.manualSelector === true || spec?.selector === undefined) return
  const { uid = '', name = '' } = metadata
  if (uid === '') errors.push(required('metadata.uid'))
  const [oldUid = '', newUid = ''] = UID_LABELS
  const [oldName = '', newName = ''] = NAME_LABELS
  const old = { [oldUid]: uid, [oldName]: name }
  const expected: Record<string, string> = prefixed ? { ...old, [newUid]: uid, [newName]: name } : old
  const labels = spec.template.metadata?.labels
  for (const [label, value] of Object.entries(expected)) {
    const path = `spec.template.metadata.labels[${label}]`
    if (labels?.[label] === undefined) errors.push(required(path, `must be '${value}'`))
    else if (labels[label] !== value) errors.push(invalid(path, sorted(labels), `must be '${value}'`))
  }
  const matches = matcherOf(spec.selector)
  if (matches !== undefined && !matches(expected))
    errors.push(invalid('spec.selector', printedSelector(spec.selector), '`selector` not auto-generated'))
}

function checkSpec(spec: JobSpec, errors: Errors): void {
  checkJobSpec(spec, 'spec', errors)
  const { selector } = spec
  if (selector === undefined) errors.push(required('spec.selector'))
  else checkLabelSelector(selector, 'spec.selector', errors)
  const matches = selector === undefined ? () => false : matcherOf(selector)
  const labels = spec.template?.metadata?.labels
  if (matches !== undefined && !matches(labels))
    errors.push(invalid('spec.template.metadata.labels', sorted(labels), '`selector` does not match template `labels`'))
}

function validateJob(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const job = asJob(object)
  const { spec, metadata } = job
  if (spec === undefined) return errors
  const oldLabels = old === undefined ? undefined : asJob(old).spec?.template.metadata?.labels
  const had = [NAME_LABELS[1] ?? '', UID_LABELS[1] ?? ''].every((label) => oldLabels?.[label] !== undefined)
  checkGenerated(job, old === undefined || had, errors)
  checkSpec(spec, errors)
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0) {
    const host = `${metadata.name ?? ''}-${(spec.completions ?? 0) - 1}`
    if (isDNS1123Label(host).length > 0)
      errors.push(
        invalid('metadata.name', metadata.name ?? '', `will not able to create pod with invalid DNS label: ${host}`)
      )
  }
  return errors
}

function immutable(field: string, [now, before]: readonly [unknown, unknown], printed?: unknown): FieldError[] {
  return sameValue(now, before) ? [] : [invalid(`spec.${field}`, printed ?? now ?? null, IMMUTABLE)]
}

/** Whether the template's scheduling may still change: suspended, and never started. */
function withSchedulingOf(next: PodTemplateSpec, old: PodTemplateSpec): PodTemplateSpec {
  const [affinity, before] = [next.spec?.affinity, old.spec?.affinity]
  const kept = { ...before, nodeAffinity: affinity?.nodeAffinity }
  const none = kept.nodeAffinity === undefined && Object.values(kept).every((value) => value === undefined)
  return {
    ...old,
    metadata: {
      ...old.metadata,
      annotations: next.metadata?.annotations,
      labels: next.metadata?.labels
    },
    spec: {
      ...(old.spec ?? { containers: [] }),
      affinity: affinity === undefined && none ? undefined : kept,
      nodeSelector: next.spec?.nodeSelector,
      tolerations: next.spec?.tolerations,
      schedulingGates: next.spec?.schedulingGates
    }
  }
}

function checkCompletions(now: JobSpec, before: JobSpec): FieldError[] {
  if (now.completionMode !== 'Indexed') return immutable('completions', [now.completions, before.completions])
  const { completions, parallelism } = now
  if (completions === before.completions || completions === undefined || completions === parallelism) return []
  return [invalid('spec.completions', completions, 'can only be modified in tandem with spec.parallelism')]
}

function validateUpdate(next: KubeObject, old: KubeObject): FieldError[] {
  const [now, before] = [asJob(next).spec, asJob(old).spec]
  if (now === undefined || before === undefined) return []
  const errors: FieldError[] = []
  // Kubernetes checks the new spec twice.
  checkSpec(now, errors)
  errors.push(...checkCompletions(now, before))
  errors.push(
    ...immutable(
      'selector',
      [now.selector, before.selector],
      now.selector === undefined ? null : printedSelector(now.selector)
    )
  )
  const free = before.suspend === true && asJob(old).status?.startTime === undefined
  const template = free ? withSchedulingOf(now.template, before.template) : before.template
  if (!sameTemplate(now.template, template))
    errors.push(invalid('spec.template', goPodTemplate(now.template), IMMUTABLE))
  errors.push(...immutable('completionMode', [now.completionMode, before.completionMode]))
  for (const [field, struct] of [
    ['podFailurePolicy', 'PodFailurePolicy'],
    ['backoffLimitPerIndex', undefined],
    ['managedBy', undefined],
    ['successPolicy', 'SuccessPolicy']
  ] as const) {
    const value = now[field]
    const printed = struct === undefined || value === undefined ? undefined : goStruct(struct, value as object)
    errors.push(...immutable(field, [value, before[field]], printed))
  }
  return errors
}

function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return sameValue(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)))
}

function statusText({ metadata, status = {} }: Job): string {
  const is = (type: string) => status.conditions?.some((one) => one.type === type && one.status === 'True') === true
  if (is('Complete')) return 'Complete'
  if (is('Failed')) return 'Failed'
  if (metadata.deletionTimestamp !== undefined) return 'Terminating'
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(is) ?? 'Running'
}

function completionsText({ spec, status = {} }: Job): string {
  const done = status.succeeded ?? 0
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`
  const parallel = spec?.parallelism ?? 0
  return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`
}

function cells(object: KubeObject, now: number): Cell[] {
  const job = asJob(object)
  const { metadata, spec, status = {} } = job
  const { startTime, completionTime } = status
  const end = completionTime === undefined ? now : Date.parse(completionTime)
  return [
    metadata.name ?? '',
    statusText(job),
    completionsText(job),
    startTime === undefined ? '' : humanDuration(end - Date.parse(startTime)),
    age(metadata.creationTimestamp, now),
    ...templateCells(spec?.template),
    selectorText(spec?.selector) || '<none>'
  ]
}

const ofTemplate = templateWarnings((object) => asJob(object).spec?.template, 'spec.template')

const strategy = specAndStatus()

const rules: Rules = {
  ...strategy,
  defaults: defaultJob,
  prepareCreate: (object, context) => {
    generateSelector(asJob(object))
    strategy.prepareCreate(object, context)
  },
  validate: validateJob,
  validateUpdate,
  validateStatus: (next, old) => validateJobStatus(asJob(next), asJob(old)),
  warnings: (next, old) => [
    ...(old === undefined ? hostnameWarnings(next.metadata.name, 'Pod names and hostnames') : []),
    ...ofTemplate(next, old)
  ],
  generation: true,
  defaultPropagation: 'Orphan',
  fields: { 'status.successful': (object) => String(asJob(object).status?.succeeded ?? 0) },
  cells
}

export const jobKinds: readonly Kind[] = [row('batch/v1', 'jobs', rules)]
