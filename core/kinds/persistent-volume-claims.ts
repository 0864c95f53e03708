import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isQualifiedName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { canonicalQuantity, compareQuantities, parseQuantity, quantityMilli, quantityValue } from '../quantity.ts'
import { unifiedDiff } from '../unified-diff.ts'
import { complaints, type Errors, IMMUTABLE, sameValue } from './checks.ts'
import { checkClaimSpec } from './claim-spec.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { roundResources } from './resource-lists.ts'
import { checkQuantity, isNativeResource } from './resource-rules.ts'
import { row } from './row.ts'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec, Quantity } from './types.ts'

const asClaim = (object: KubeObject) => object as unknown as PersistentVolumeClaim

/** Before there was a field for it. */
export const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'

export function defaultClaim(object: KubeObject): void {
  const claim = asClaim(object)
  claim.spec ??= {}
  claim.spec.volumeMode ??= 'Filesystem'
  claim.spec.resources ??= {}
  roundResources(claim.spec.resources.limits)
  roundResources(claim.spec.resources.requests)
  claim.status ??= {}
  claim.status.phase ||= 'Pending'
  roundResources(claim.status.capacity)
}

const SNAPSHOTS = 'snapshot.storage.k8s.io'

/** dataSource is the older of the two: it names claims and snapshots only, and each is filled from the other. */
function normalizeSources(spec: PersistentVolumeClaimSpec, old?: PersistentVolumeClaimSpec): void {
  // Sources in other namespaces are an alpha feature.
  if (spec.dataSourceRef?.namespace && old?.dataSourceRef === undefined) delete spec.dataSourceRef
  const inUse = old?.dataSource !== undefined || old?.dataSourceRef !== undefined
  if (!inUse && spec.dataSourceRef === undefined && spec.dataSource !== undefined) {
    const { apiGroup = '', kind } = spec.dataSource
    const known =
      (kind === 'PersistentVolumeClaim' && apiGroup === '') || (kind === 'VolumeSnapshot' && apiGroup === SNAPSHOTS)
    if (!known) delete spec.dataSource
  }
  if (spec.dataSourceRef?.namespace) return
  if (spec.dataSource !== undefined && spec.dataSourceRef === undefined) spec.dataSourceRef = { ...spec.dataSource }
  else if (spec.dataSourceRef !== undefined && spec.dataSource === undefined) {
    const { namespace: _, ...source } = spec.dataSourceRef
    spec.dataSource = source
  }
}

function storageOf(list: Readonly<Record<string, Quantity>> | undefined): Quantity {
  return list?.storage ?? '0'
}

/** The new spec with what may change as it was before, and the old one with what may be set once. */
function comparable(next: PersistentVolumeClaim, old: PersistentVolumeClaim) {
  const [now, before] = [{ ...next.spec }, { ...old.spec }]
  if (!before.volumeName) before.volumeName = now.volumeName
  const bound = next.status?.phase === 'Bound'
  if (bound && now.resources?.requests !== undefined)
    now.resources = {
      ...now.resources,
      requests: { ...now.resources.requests, storage: storageOf(before.resources?.requests) }
    }
  if (bound) now.volumeAttributesClassName = before.volumeAttributesClassName
  return { now, before }
}

function checkClassChange(
  { now, next, old }: { now: PersistentVolumeClaimSpec; next: PersistentVolumeClaim; old: PersistentVolumeClaim },
  errors: Errors
): void {
  const [before, after] = [old.metadata.annotations?.[CLASS_ANNOTATION], next.metadata.annotations?.[CLASS_ANNOTATION]]
  const [had, has] = [old.spec?.storageClassName, next.spec?.storageClassName]
  if (before !== undefined && had === undefined && has === before && (after === undefined || after === before)) {
    now.storageClassName = undefined
    return
  }
  if (before !== after) errors.push(invalid(`metadata.annotations[${CLASS_ANNOTATION}]`, after ?? '', IMMUTABLE))
  if (had === undefined && has !== undefined && (before === undefined || has === before)) now.storageClassName = had
}

function validateUpdate(nextObject: KubeObject, oldObject: KubeObject): FieldError[] {
  const [next, old] = [asClaim(nextObject), asClaim(oldObject)]
  const errors: FieldError[] = []
  const { now, before } = comparable(next, old)
  checkClassChange({ now, next, old }, errors)
  if (!sameValue(defined(now), defined(before))) {
    const [a, b] = [before, now].map((spec) => goStruct('PersistentVolumeClaimSpec', spec))
    const why =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'
    errors.push(forbidden('spec', `${why}\n${unifiedDiff(a, b)}`))
  }
  const [size, oldSize] = [storageOf(next.spec?.resources?.requests), storageOf(old.spec?.resources?.requests)]
  if (compareQuantities(size, oldSize) < 0 && compareQuantities(size, storageOf(old.status?.capacity)) <= 0)
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  if (next.spec?.volumeMode !== old.spec?.volumeMode)
    errors.push(invalid('volumeMode', next.spec?.volumeMode ?? null, IMMUTABLE))
  const current = old.status?.currentVolumeAttributesClassName
  const wanted = next.spec?.volumeAttributesClassName
  if (current !== undefined && wanted !== old.spec?.volumeAttributesClassName && !wanted) {
    const what = wanted === undefined ? 'nil' : 'empty string'
    errors.push(
      forbidden(
        'spec.volumeAttributesClassName',
        `update to ${what} is forbidden when status.currentVolumeAttributesClassName is not nil`
      )
    )
  }
  return errors
}

function defined(spec: object): object {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined))
}

const RESIZES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending'
]

function checkResourceKey(name: string, path: string): readonly FieldError[] {
  const wrong = complaints(path, name, isQualifiedName(name))
  if (wrong.length > 0) return wrong
  return isNativeResource(name) && name !== 'storage' ? [notSupported(path, name, ['storage'])] : []
}

function negative(value: Quantity, path: string): FieldError[] {
  return quantityValue(value) < 0 ? [invalid(path, quantityValue(value), 'must be a valid resource quantity')] : []
}

function validateStatus(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec, status = {} } = asClaim(object)
  if ((spec?.accessModes ?? []).length === 0) errors.push(required('Spec.accessModes'))
  for (const [name, value] of Object.entries(status.capacity ?? {}))
    errors.push(...negative(value, `status.capacity[${name}]`))
  for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    const path = 'status.allocatedResourceStatuses'
    errors.push(...checkResourceKey(name, path))
    if (!RESIZES.includes(state)) errors.push(notSupported(path, name, [...RESIZES].sort()))
  }
  for (const [name, value] of Object.entries(status.allocatedResources ?? {})) {
    const path = 'status.allocatedResources'
    const wrong = [...checkResourceKey(name, path)]
    if (wrong.length === 0) wrong.push(...negative(value, `${path}[${name}]`))
    if (wrong.length === 0) checkQuantity('storage', value, { path: `${path}[${name}]`, errors })
    errors.push(...wrong)
  }
  return errors
}

const SHORT_MODES = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP']
] as const

export function accessModesText(modes: readonly string[] | undefined): string {
  return SHORT_MODES.filter(([mode]) => modes?.includes(mode) === true)
    .map(([, short]) => short)
    .join(',')
}

export function sizeText(list: Readonly<Record<string, Quantity>> | undefined): string {
  const size = storageOf(list)
  return parseQuantity(size).nano === 0n ? '0' : canonicalQuantity(size)
}

function claimWarnings({ metadata, spec }: PersistentVolumeClaim): string[] {
  const warnings: string[] = []
  if (metadata.annotations?.[CLASS_ANNOTATION] !== undefined)
    warnings.push(
      `metadata.annotations[${CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead`
    )
  for (const list of ['requests', 'limits'] as const) {
    const value = spec?.resources?.[list]?.storage ?? 0
    if (quantityMilli(value) % 1000 !== 0)
      warnings.push(
        `spec.resources.${list}[storage]: fractional byte value "${canonicalQuantity(value)}" is invalid, must be an integer`
      )
  }
  return warnings
}

const rules: Rules = {
  defaults: defaultClaim,
  prepareCreate: (object) => {
    object.status = { phase: 'Pending' }
    normalizeSources(asClaim(object).spec ?? {})
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
    normalizeSources(asClaim(next).spec ?? {}, asClaim(old).spec)
  },
  prepareStatus: (next, old) => {
    next.spec = old.spec
  },
  validate: (object) => {
    const errors: FieldError[] = []
    checkClaimSpec(asClaim(object).spec ?? {}, 'spec', errors)
    return errors
  },
  validateUpdate,
  validateStatus,
  warnings: (next) => claimWarnings(asClaim(next)),
  fields: { name: (object) => object.metadata.name ?? '' },
  cells: (object, now) => {
    const { metadata, spec = {}, status = {} } = asClaim(object)
    const bound = Boolean(spec.volumeName)
    return [
      metadata.name ?? '',
      metadata.deletionTimestamp === undefined ? (status.phase ?? '') : 'Terminating',
      spec.volumeName ?? '',
      bound ? sizeText(status.capacity) : '',
      bound ? accessModesText(status.accessModes) : '',
      metadata.annotations?.[CLASS_ANNOTATION] ?? spec.storageClassName ?? '',
      spec.volumeAttributesClassName ?? '<unset>',
      age(metadata.creationTimestamp, now),
      spec.volumeMode ?? '<unset>'
    ]
  }
}

export const claimKinds: readonly Kind[] = [row('v1', 'persistentvolumeclaims', rules)]
