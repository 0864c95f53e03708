import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { checkAtMost, matcherOf, selectorText, specOf } from './apps.ts'
import { amountOf, checkAmount, checkNotMoreThanAll } from './apps-strategy.ts'
import {
  checkAnnotations,
  checkLabel,
  checkLabelSelector,
  checkLabels,
  checkNonnegative,
  type Errors,
  printedSelector,
  sameValue,
  sorted
} from './checks.ts'
import { checkClaimSpec } from './claim-spec.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { defaultClaim } from './persistent-volume-claims.ts'
import { checkPodAnnotations } from './pod-annotations.ts'
import { checkPodTemplate } from './pod-validate.ts'
import { templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import { templateCells } from './template-cells.ts'
import type {
  PodTemplateSpec,
  RollingUpdateStatefulSetStrategy,
  StatefulSet,
  StatefulSetSpec,
  Volume
} from './types.ts'

const asSet = (object: KubeObject) => object as unknown as StatefulSet
const RETENTIONS = ['Retain', 'Delete']

function defaultStatefulSet(object: KubeObject): void {
  const spec = specOf<StatefulSetSpec>(object)
  spec.podManagementPolicy ||= 'OrderedReady'
  spec.updateStrategy ??= {}
  const strategy = spec.updateStrategy
  if (!strategy.type) {
    strategy.type = 'RollingUpdate'
    strategy.rollingUpdate ??= {}
  }
  if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate !== undefined) strategy.rollingUpdate.partition ??= 0
  spec.persistentVolumeClaimRetentionPolicy ??= {}
  const retention = spec.persistentVolumeClaimRetentionPolicy
  retention.whenDeleted ||= 'Retain'
  retention.whenScaled ||= 'Retain'
  spec.replicas ??= 1
  spec.revisionHistoryLimit ??= 10
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.kind = 'PersistentVolumeClaim'
    claim.apiVersion = 'v1'
    defaultClaim(claim as unknown as KubeObject)
  }
}

/** An alpha field of a rollout that the server drops unless it is in use. */
function dropMaxUnavailable(next: KubeObject, old?: KubeObject): void {
  const rolling = asSet(next).spec?.updateStrategy?.rollingUpdate
  const before = old === undefined ? undefined : asSet(old).spec?.updateStrategy?.rollingUpdate?.maxUnavailable
  if (rolling !== undefined && before === undefined) delete rolling.maxUnavailable
}

function checkRolling(update: RollingUpdateStatefulSetStrategy, path: string, errors: Errors): void {
  const { partition, maxUnavailable } = update
  checkNonnegative(partition, `${path}.partition`, errors)
  if (maxUnavailable === undefined) return
  const at = `${path}.maxUnavailable`
  checkAmount(maxUnavailable, at, errors)
  if (amountOf(maxUnavailable) === 0) errors.push(invalid(at, maxUnavailable, 'cannot be 0'))
  checkNotMoreThanAll(maxUnavailable, at, errors)
}

function checkPolicies(spec: StatefulSetSpec, path: string, errors: Errors): void {
  const { podManagementPolicy: management = '', updateStrategy: strategy = {} } = spec
  if (management === '') errors.push(required(`${path}.podManagementPolicy`))
  else if (management !== 'OrderedReady' && management !== 'Parallel')
    errors.push(invalid(`${path}.podManagementPolicy`, management, "must be 'OrderedReady' or 'Parallel'"))
  const at = `${path}.updateStrategy`
  if (strategy.type === 'OnDelete') {
    if (strategy.rollingUpdate !== undefined)
      errors.push(
        invalid(
          `${at}.rollingUpdate`,
          goStruct('RollingUpdateStatefulSet', strategy.rollingUpdate),
          "only allowed for updateStrategy 'RollingUpdate'"
        )
      )
  } else if (strategy.type === 'RollingUpdate') {
    if (strategy.rollingUpdate !== undefined) checkRolling(strategy.rollingUpdate, `${at}.rollingUpdate`, errors)
  } else
    errors.push(invalid(at, goStruct('StatefulSetUpdateStrategy', strategy), "must be 'RollingUpdate' or 'OnDelete'"))
  const retention = spec.persistentVolumeClaimRetentionPolicy
  if (retention === undefined) return
  for (const field of ['whenDeleted', 'whenScaled'] as const)
    if (!RETENTIONS.includes(retention[field] ?? ''))
      errors.push(
        notSupported(`${path}.persistentVolumeClaimRetentionPolicy.${field}`, retention[field] ?? '', RETENTIONS)
      )
}

/** The template as its pods will be: named by the controller, with the claims as volumes. */
function effectiveTemplate({ template, volumeClaimTemplates: claims = [] }: StatefulSetSpec): PodTemplateSpec {
  const { subdomain: _, hostname: __, ...spec } = template.spec ?? { containers: [] }
  if (claims.length === 0) return { ...template, spec }
  const names = new Set(claims.map(({ metadata }) => metadata?.name ?? ''))
  const mounted = [...names].map((name): Volume => ({ name, persistentVolumeClaim: { claimName: name } }))
  const volumes = [...mounted, ...(spec.volumes ?? []).filter(({ name }) => !names.has(name))]
  return { ...template, spec: { ...spec, volumes } }
}

interface Leniency {
  /** An update: what may not change is not checked again. */
  readonly update: boolean
  readonly skipTemplate: boolean
}

function checkSpec(spec: StatefulSetSpec, path: string, { update, skipTemplate }: Leniency): FieldError[] {
  const errors: FieldError[] = []
  checkPolicies(spec, path, errors)
  if (!update)
    spec.volumeClaimTemplates?.forEach((claim, i) => {
      checkClaimSpec(claim.spec ?? {}, `${path}.volumeClaimTemplates[${i}].spec`, errors)
    })
  checkNonnegative(spec.replicas, `${path}.replicas`, errors)
  checkNonnegative(spec.minReadySeconds, `${path}.minReadySeconds`, errors)
  checkNonnegative(spec.ordinals?.start, `${path}.ordinals.start`, errors)
  if (!update && spec.serviceName) checkLabel(spec.serviceName, `${path}.serviceName`, errors)
  const { selector } = spec
  const at = `${path}.selector`
  if (selector === undefined) errors.push(required(at))
  else {
    checkLabelSelector(selector, at, errors)
    if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0)
      errors.push(invalid(at, printedSelector(selector), 'empty selector is invalid for statefulset'))
  }
  const matches = matcherOf(selector)
  if (matches === undefined) errors.push(invalid(at, printedSelector(selector ?? {}), ''))
  else checkTemplate(effectiveTemplate(spec), `${path}.template`, { errors, matches, skipTemplate })
  const { restartPolicy, activeDeadlineSeconds } = spec.template?.spec ?? {}
  const pod = `${path}.template.spec`
  if (restartPolicy !== 'Always') errors.push(notSupported(`${pod}.restartPolicy`, restartPolicy ?? '', ['Always']))
  if (activeDeadlineSeconds !== undefined)
    errors.push(forbidden(`${pod}.activeDeadlineSeconds`, 'activeDeadlineSeconds in StatefulSet is not Supported'))
  return errors
}

function checkTemplate(
  template: PodTemplateSpec,
  path: string,
  how: { errors: Errors; matches: NonNullable<ReturnType<typeof matcherOf>>; skipTemplate: boolean }
): void {
  const { errors, matches, skipTemplate } = how
  const { labels, annotations } = template.metadata ?? {}
  if (!matches(labels))
    errors.push(invalid(`${path}.metadata.labels`, sorted(labels), '`selector` does not match template `labels`'))
  if (!skipTemplate) checkPodTemplate(template, path, errors)
  // Kubernetes looks at these twice here, and says so twice.
  checkLabels(labels, `${path}.labels`, errors)
  checkAnnotations(annotations, `${path}.annotations`, errors)
  if (annotations !== undefined && template.spec !== undefined)
    checkPodAnnotations(annotations, `${path}.annotations`, { spec: template.spec, errors })
}

const CHANGEABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds'
]

function validateUpdate(next: KubeObject, old: KubeObject): FieldError[] {
  const kept = Object.fromEntries(
    CHANGEABLE.map((field) => [field, (old.spec as Record<string, unknown> | undefined)?.[field]])
  )
  if (sameValue({ ...(next.spec as object), ...kept }, old.spec)) return []
  const named = CHANGEABLE.map((field) => `'${field}'`)
  const list = `${named.slice(0, -1).join(', ')} and ${named.at(-1) ?? ''}`
  return [forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)]
}

function validateStatus(next: KubeObject, old: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const status = asSet(next).status ?? { replicas: 0 }
  for (const field of [
    'replicas',
    'readyReplicas',
    'currentReplicas',
    'updatedReplicas',
    'availableReplicas',
    'observedGeneration',
    'collisionCount'
  ] as const)
    checkNonnegative(status[field], `status.${field}`, errors)
  const counts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas']
  checkAtMost(status, { counts, errors, ready: 'status.readyReplicas' })
  const before = asSet(old).status?.collisionCount
  const now = status.collisionCount
  if (before !== undefined && (now ?? -1) < before)
    errors.push(invalid('status.collisionCount', now ?? 0, 'cannot be decremented'))
  return errors
}

const strategy = specAndStatus(() => ({ replicas: 0, availableReplicas: 0 }))

function historyWarnings({ spec }: StatefulSet): string[] {
  if ((spec?.revisionHistoryLimit ?? 0) >= 0) return []
  return ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']
}

const ofTemplate = templateWarnings((object) => asSet(object).spec?.template, 'spec.template')

const rules: Rules = {
  ...strategy,
  name: 'label',
  defaults: defaultStatefulSet,
  prepareCreate: (object, context) => {
    strategy.prepareCreate(object, context)
    dropMaxUnavailable(object)
  },
  prepareUpdate: (next, old, context) => {
    strategy.prepareUpdate(next, old, context)
    dropMaxUnavailable(next, old)
  },
  validate: (object, old) => {
    const spec = asSet(object).spec
    if (spec === undefined) return []
    const before = old === undefined ? undefined : asSet(old).spec
    // An old template that was wrong may stay so.
    const skipTemplate =
      before !== undefined && checkSpec(before, 'spec', { update: true, skipTemplate: false }).length > 0
    return checkSpec(spec, 'spec', { update: old !== undefined, skipTemplate })
  },
  validateUpdate,
  validateStatus,
  warnings: (next, old) => [...ofTemplate(next, old), ...historyWarnings(asSet(next))],
  generation: true,
  cells: (object, now) => {
    const { metadata, spec, status } = asSet(object)
    return [
      metadata.name ?? '',
      `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
      age(metadata.creationTimestamp, now),
      ...templateCells(spec?.template)
    ]
  },
  scale: {
    specReplicas: ['spec', 'replicas'],
    statusReplicas: ['status', 'replicas'],
    selector: (object) => selectorText(asSet(object).spec?.selector)
  }
}

export const statefulSetKinds: readonly Kind[] = [row('apps/v1', 'statefulsets', rules)]
