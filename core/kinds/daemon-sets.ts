import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { matcherOf, selectorText, specOf, validateImmutableSelector } from './apps.ts'
import { amountOf, checkAmount, checkNotMoreThanAll } from './apps-strategy.ts'
import { checkLabelSelector, checkNonnegative, type Errors, printedSelector, sameValue, sorted } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { checkPodTemplate } from './pod-validate.ts'
import { templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import { labelsText, templateCells } from './template-cells.ts'
import type { DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet } from './types.ts'

const asDaemon = (object: KubeObject) => object as unknown as DaemonSet

/** Once a field of the spec; now kept where old clients look for it. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation'

function templateGeneration({ metadata }: KubeObject): number {
  const count = Number.parseInt(metadata.annotations?.[TEMPLATE_GENERATION] ?? '', 10)
  return Number.isNaN(count) ? 0 : count
}

function setTemplateGeneration(object: KubeObject, count: number): void {
  object.metadata.annotations = { ...object.metadata.annotations, [TEMPLATE_GENERATION]: String(count) }
}

function defaultDaemonSet(object: KubeObject): void {
  // Whoever sends a DaemonSet sends this, too, as Kubernetes reads it, and owns it.
  setTemplateGeneration(object, templateGeneration(object))
  const spec = specOf<DaemonSetSpec>(object)
  spec.updateStrategy ??= {}
  const strategy = spec.updateStrategy
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {}
    strategy.rollingUpdate.maxUnavailable ??= 1
    strategy.rollingUpdate.maxSurge ??= 0
  }
  spec.revisionHistoryLimit ??= 10
}

function checkRolling(update: RollingUpdateDaemonSet, path: string, errors: Errors): void {
  const { maxUnavailable = 0, maxSurge = 0 } = update
  checkAmount(maxUnavailable, `${path}.maxUnavailable`, errors)
  checkAmount(maxSurge, `${path}.maxSurge`, errors)
  checkNotMoreThanAll(maxUnavailable, `${path}.maxUnavailable`, errors)
  checkNotMoreThanAll(maxSurge, `${path}.maxSurge`, errors)
  const [unavailable, surge] = [amountOf(maxUnavailable) !== 0, amountOf(maxSurge) !== 0]
  if (unavailable && surge)
    errors.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'))
  else if (!unavailable && !surge) errors.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
}

function checkStrategy(strategy: DaemonSetUpdateStrategy, path: string, errors: Errors): void {
  const { type, rollingUpdate } = strategy
  if (type === 'OnDelete') return
  if (type !== 'RollingUpdate')
    errors.push(notSupported(path, goStruct('DaemonSetUpdateStrategy', strategy), ['RollingUpdate', 'OnDelete']))
  else if (rollingUpdate === undefined) errors.push(required(`${path}.rollingUpdate`))
  else checkRolling(rollingUpdate, `${path}.rollingUpdate`, errors)
}

function validateDaemonSet(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec } = asDaemon(object)
  if (spec === undefined) return errors
  const { selector, template } = spec
  checkLabelSelector(selector, 'spec.selector', errors)
  // No selector at all matches nothing.
  const matches = selector === undefined ? () => false : matcherOf(selector)
  const labels = template?.metadata?.labels
  if (matches !== undefined && !matches(labels))
    errors.push(invalid('spec.template.metadata.labels', sorted(labels), '`selector` does not match template `labels`'))
  if (
    selector !== undefined &&
    Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0
  )
    errors.push(invalid('spec.selector', printedSelector(selector), 'empty selector is invalid for daemonset'))
  checkPodTemplate(template, 'spec.template', errors)
  const { restartPolicy, activeDeadlineSeconds } = template?.spec ?? {}
  const pod = 'spec.template.spec'
  if (restartPolicy !== 'Always') errors.push(notSupported(`${pod}.restartPolicy`, restartPolicy ?? '', ['Always']))
  if (activeDeadlineSeconds !== undefined)
    errors.push(forbidden(`${pod}.activeDeadlineSeconds`, 'activeDeadlineSeconds in DaemonSet is not Supported'))
  checkNonnegative(spec.minReadySeconds, 'spec.minReadySeconds', errors)
  checkStrategy(spec.updateStrategy ?? {}, 'spec.updateStrategy', errors)
  checkNonnegative(spec.revisionHistoryLimit, 'spec.revisionHistoryLimit', errors)
  return errors
}

const COUNTS = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount'
] as const

function validateStatus(next: KubeObject, old: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const status = asDaemon(next).status
  for (const field of COUNTS) checkNonnegative(status?.[field], `status.${field}`, errors)
  const before = asDaemon(old).status?.collisionCount
  const now = status?.collisionCount
  if (before !== undefined && (now ?? -1) < before)
    errors.push(invalid('status.collisionCount', now ?? 0, 'cannot be decremented'))
  return errors
}

const strategy = specAndStatus(() => {
  return { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
})

const rules: Rules = {
  ...strategy,
  defaults: defaultDaemonSet,
  prepareCreate: (object, context) => {
    strategy.prepareCreate(object, context)
    setTemplateGeneration(object, Math.max(templateGeneration(object), 1))
  },
  prepareUpdate: (next, old, context) => {
    strategy.prepareUpdate(next, old, context)
    const changed = !sameValue(asDaemon(next).spec?.template, asDaemon(old).spec?.template)
    setTemplateGeneration(next, templateGeneration(old) + (changed ? 1 : 0))
  },
  prepareStatus: (next, old, context) => {
    strategy.prepareStatus(next, old, context)
    setTemplateGeneration(next, templateGeneration(old))
  },
  validate: validateDaemonSet,
  validateUpdate: validateImmutableSelector,
  validateStatus,
  warnings: templateWarnings((object) => asDaemon(object).spec?.template, 'spec.template'),
  generation: true,
  cells: (object, now) => {
    const { metadata, spec, status } = asDaemon(object)
    return [
      metadata.name ?? '',
      status?.desiredNumberScheduled ?? 0,
      status?.currentNumberScheduled ?? 0,
      status?.numberReady ?? 0,
      status?.updatedNumberScheduled ?? 0,
      status?.numberAvailable ?? 0,
      labelsText(spec?.template?.spec?.nodeSelector),
      age(metadata.creationTimestamp, now),
      ...templateCells(spec?.template),
      selectorText(spec?.selector) || '<none>'
    ]
  }
}

export const daemonSetKinds: readonly Kind[] = [row('apps/v1', 'daemonsets', rules)]
