/** Deployments and ReplicaSets. */

import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { labelSelectorMatcher, labelSelectorText } from '../selector.ts'
import { checkRollout, defaultStrategy } from './apps-strategy.ts'
import {
  checkLabelSelector,
  checkNonnegative,
  type Errors,
  IMMUTABLE,
  printedSelector,
  sameValue,
  sorted
} from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { defaultPodTemplate } from './pod-defaults.ts'
import { checkPodTemplate } from './pod-validate.ts'
import { hostnameWarnings, templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { templateCells } from './template-cells.ts'
import type {
  Deployment,
  DeploymentSpec,
  LabelSelector,
  PodTemplateSpec,
  ReplicaSet,
  ReplicaSetSpec,
  ReplicaSetStatus
} from './types.ts'

const UNSET = null as unknown as string
const asDeployment = (object: KubeObject) => object as unknown as Deployment
const asReplicaSet = (object: KubeObject) => object as unknown as ReplicaSet

/** The selector as `status.selector` of the scale shows it; '' for one that cannot be read. */
export function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return ''
  try {
    return labelSelectorText(labelSelectorMatcher(selector))
  } catch {
    return ''
  }
}

/** The selector of a workload: given, not empty, and matching its own template. */
export function checkSelector(
  { selector, template }: { selector?: LabelSelector | undefined; template?: PodTemplateSpec | undefined },
  path: string,
  { errors, emptyMessage }: { errors: Errors; emptyMessage: string }
): void {
  let readable = true
  if (selector === undefined) errors.push(required(`${path}.selector`))
  else {
    const before = errors.length
    checkLabelSelector(selector, `${path}.selector`, errors)
    readable = errors.length === before
    const size = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length
    if (size === 0) errors.push(invalid(`${path}.selector`, printedSelector(selector), emptyMessage))
  }
  const matches = readable ? matcherOf(selector) : undefined
  if (matches === undefined) {
    errors.push(invalid(`${path}.selector`, printedSelector(selector ?? {}), 'invalid label selector'))
    return
  }
  checkTemplate({ template, matches }, `${path}.template`, errors)
}

export type Matches = (labels: Readonly<Record<string, string>> | undefined) => boolean

export function matcherOf(selector: LabelSelector | undefined): Matches | undefined {
  try {
    const matcher = labelSelectorMatcher(selector)
    return (labels) => matcher.everything || matcher.matches(labels)
  } catch {
    return undefined
  }
}

function checkTemplate(
  { template, matches }: { template: PodTemplateSpec | undefined; matches: Matches },
  path: string,
  errors: Errors
): void {
  const labels = template?.metadata?.labels
  if (!matches(labels))
    errors.push(invalid(`${path}.metadata.labels`, sorted(labels), '`selector` does not match template `labels`'))
  checkPodTemplate(template, path, errors)
  const policy = template?.spec?.restartPolicy
  if (policy !== 'Always') errors.push(notSupported(`${path}.spec.restartPolicy`, policy ?? '', ['Always']))
  if (template?.spec?.activeDeadlineSeconds !== undefined)
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, 'activeDeadlineSeconds in ReplicaSet is not Supported'))
}

const EMPTY_SELECTOR = 'empty selector is invalid for deployment'

/** 25% of the pods may be missing or too many during a rollout; ten old ReplicaSets are kept; ten minutes to progress. */
function defaultDeployment(object: KubeObject): void {
  const spec = specOf<DeploymentSpec>(object)
  spec.replicas ??= 1
  spec.strategy = defaultStrategy(spec.strategy ?? {})
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  const { status } = asDeployment(object)
  for (const condition of status?.conditions ?? []) {
    condition.lastUpdateTime ??= UNSET
    condition.lastTransitionTime ??= UNSET
  }
}

/** The object's spec, with its template's defaults; both are made where they are missing. */
export function specOf<T extends { template?: PodTemplateSpec | undefined }>(object: KubeObject): T {
  object.spec ??= {}
  object.status ??= {}
  const spec = object.spec as T
  spec.template ??= {}
  defaultPodTemplate(spec.template)
  return spec
}

function validateDeployment(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec } = asDeployment(object)
  if (spec === undefined) return errors
  checkNonnegative(spec.replicas, 'spec.replicas', errors)
  checkSelector(spec, 'spec', { errors, emptyMessage: EMPTY_SELECTOR })
  checkRollout(spec, 'spec', errors)
  return errors
}

export function validateImmutableSelector(next: KubeObject, old: KubeObject): FieldError[] {
  const selector = asDeployment(next).spec?.selector
  if (sameValue(selector, asDeployment(old).spec?.selector)) return []
  return [invalid('spec.selector', selector === undefined ? null : printedSelector(selector), IMMUTABLE)]
}

function validateDeploymentStatus(next: KubeObject, old: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const status = asDeployment(next).status ?? {}
  for (const field of [
    'observedGeneration',
    'replicas',
    'updatedReplicas',
    'readyReplicas',
    'terminatingReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'collisionCount'
  ] as const)
    checkNonnegative(status[field], `status.${field}`, errors)
  checkAtMost(status, { counts: ['updatedReplicas', 'readyReplicas', 'availableReplicas'], errors })
  const before = asDeployment(old).status?.collisionCount
  if (before !== undefined && (status.collisionCount ?? -1) < before)
    errors.push(invalid('status.collisionCount', status.collisionCount ?? null, 'cannot be decremented'))
  return errors
}

type Counts = Readonly<Record<string, unknown>>

export function checkAtMost(
  status: object,
  { counts, errors, ready = 'readyReplicas' }: { counts: readonly string[]; errors: Errors; ready?: string }
): void {
  const value = (name: string) => Number((status as Counts)[name] ?? 0)
  for (const name of counts)
    if (value(name) > value('replicas'))
      errors.push(invalid(`status.${name}`, value(name), 'cannot be greater than status.replicas'))
  if (value('availableReplicas') > value('readyReplicas'))
    errors.push(invalid('status.availableReplicas', value('availableReplicas'), `cannot be greater than ${ready}`))
}

/** Of ReplicaSets, and of ReplicationControllers, whose status has the same counts but for the terminating. */
export function replicaStatusErrors(status: ReplicaSetStatus): FieldError[] {
  const errors: FieldError[] = []
  for (const field of [
    'replicas',
    'fullyLabeledReplicas',
    'readyReplicas',
    'availableReplicas',
    'terminatingReplicas',
    'observedGeneration'
  ] as const)
    checkNonnegative(status[field], `status.${field}`, errors)
  checkAtMost(status, { counts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'], errors })
  return errors
}

const ofTemplate = templateWarnings((object) => asDeployment(object).spec?.template, 'spec.template')

function workloadWarnings(next: KubeObject, old: KubeObject | undefined): readonly string[] {
  const named = old === undefined ? hostnameWarnings(next.metadata.name, 'Pod names and hostnames') : []
  return [...named, ...ofTemplate(next, old)]
}

const deploymentRules: Rules = {
  defaults: defaultDeployment,
  prepareCreate: (object) => {
    object.status = {}
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
    // Of all kinds only this one counts changes of annotations too.
    if (!sameValue(next.metadata.annotations ?? {}, old.metadata.annotations ?? {}))
      next.metadata.generation = (old.metadata.generation ?? 0) + 1
  },
  prepareStatus: (next, old) => {
    next.spec = old.spec
    const { labels } = old.metadata
    if (labels === undefined) delete next.metadata.labels
    else next.metadata.labels = labels
  },
  validate: validateDeployment,
  validateUpdate: validateImmutableSelector,
  validateStatus: validateDeploymentStatus,
  warnings: workloadWarnings,
  generation: true,
  defaultPropagation: 'Background',
  cells: (object, now) => {
    const { metadata, spec, status } = asDeployment(object)
    return [
      metadata.name ?? '',
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      status?.updatedReplicas ?? 0,
      status?.availableReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...templateCells(spec?.template),
      selectorText(spec?.selector)
    ]
  },
  scale: {
    specReplicas: ['spec', 'replicas'],
    statusReplicas: ['status', 'replicas'],
    selector: (object) => selectorText(asDeployment(object).spec?.selector)
  }
}

const replicaSetRules: Rules = {
  defaults: (object) => {
    const spec = specOf<ReplicaSetSpec>(object)
    spec.replicas ??= 1
    const { status } = asReplicaSet(object)
    if (status === undefined) return
    status.replicas ??= 0
    for (const condition of status.conditions ?? []) condition.lastTransitionTime ??= UNSET
  },
  prepareCreate: (object) => {
    object.status = { replicas: 0 }
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
  },
  prepareStatus: (next, old) => {
    next.spec = old.spec
  },
  validate: (object) => {
    const errors: FieldError[] = []
    const { spec } = asReplicaSet(object)
    if (spec === undefined) return errors
    checkNonnegative(spec.replicas, 'spec.replicas', errors)
    checkNonnegative(spec.minReadySeconds, 'spec.minReadySeconds', errors)
    checkSelector(spec, 'spec', { errors, emptyMessage: EMPTY_SELECTOR })
    return errors
  },
  validateUpdate: validateImmutableSelector,
  validateStatus: (next) => replicaStatusErrors(asReplicaSet(next).status ?? { replicas: 0 }),
  warnings: workloadWarnings,
  generation: true,
  defaultPropagation: 'Background',
  cells: (object, now) => {
    const { metadata, spec, status } = asReplicaSet(object)
    return [
      metadata.name ?? '',
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...templateCells(spec?.template),
      selectorText(spec?.selector) || '<none>'
    ]
  },
  scale: {
    specReplicas: ['spec', 'replicas'],
    statusReplicas: ['status', 'replicas'],
    selector: (object) => selectorText(asReplicaSet(object).spec?.selector)
  }
}

export const appsKinds: readonly Kind[] = [
  row('apps/v1', 'deployments', deploymentRules),
  row('apps/v1', 'replicasets', replicaSetRules)
]
