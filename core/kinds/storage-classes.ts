/** StorageClasses and VolumeAttributesClasses: what volumes can be asked for. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { byteLength } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkQualifiedName, type Errors, IMMUTABLE, sameValue } from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import type { StorageClass, TopologySelectorTerm, VolumeAttributesClass } from './types.ts'

const asClass = (object: KubeObject) => object as unknown as StorageClass
const asAttributes = (object: KubeObject) => object as unknown as VolumeAttributesClass

const MOST_PARAMETERS = 512
/** All keys and values together, in bytes. */
const MOST_PARAMETER_BYTES = 256 * 1024
const RECLAIM_POLICIES = ['Delete', 'Retain']
const BINDING_MODES = ['Immediate', 'WaitForFirstConsumer']

export const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class'
const OLD_DEFAULT_CLASS = 'storageclass.beta.kubernetes.io/is-default-class'

export function isDefaultClass({ metadata }: KubeObject): boolean {
  return [DEFAULT_CLASS, OLD_DEFAULT_CLASS].some((name) => metadata.annotations?.[name] === 'true')
}

function checkProvisioner(name: string | undefined, path: string, errors: Errors): void {
  if (name) checkQualifiedName(name.toLowerCase(), path, errors)
  else errors.push(required(path))
}

type Parameters = Readonly<Record<string, string>>

function checkParameters(parameters: Parameters, path: string, errors: Errors): void {
  if (Object.keys(parameters).length > MOST_PARAMETERS) {
    errors.push(tooLong(path, MOST_PARAMETERS))
    return
  }
  let size = 0
  for (const [key, value] of Object.entries(parameters)) {
    if (key === '') errors.push(invalid(path, key, 'field can not be empty.'))
    size += byteLength(key) + byteLength(value)
  }
  if (size > MOST_PARAMETER_BYTES) errors.push(tooLong(path, MOST_PARAMETER_BYTES))
}

function checkTopologies(terms: readonly TopologySelectorTerm[], errors: Errors): void {
  const seen: unknown[] = []
  terms.forEach(({ matchLabelExpressions = [] }, i) => {
    const path = `allowedTopologies[${i}].matchLabelExpressions`
    const keys = new Map<string, readonly string[]>()
    matchLabelExpressions.forEach(({ key, values }, j) => {
      const at = `${path}[${j}]`
      const list = values ?? []
      if (list.length === 0) errors.push(required(`${at}.values`))
      list.forEach((value, k) => {
        if (list.indexOf(value) < k) errors.push(duplicate(`${at}.values[${k}]`, value))
      })
      checkQualifiedName(key, `${at}.key`, errors)
      if (keys.has(key)) errors.push(duplicate(`${at}.key`, key))
      keys.set(key, [...list].sort())
    })
    const term = Object.fromEntries(keys)
    // Kubernetes compares with terms that it has not filled yet, and so takes one that asks for nothing for a second.
    if (keys.size === 0 || seen.some((other) => sameValue(other, term))) errors.push(duplicate(path, ''))
    seen.push(term)
  })
}

const classRules: Rules = {
  defaults: (object) => {
    const it = asClass(object)
    it.reclaimPolicy ??= 'Delete'
    it.volumeBindingMode ??= 'Immediate'
  },
  validate: (object) => {
    const errors: FieldError[] = []
    const { provisioner, parameters = {}, reclaimPolicy, volumeBindingMode: mode, allowedTopologies } = asClass(object)
    checkProvisioner(provisioner, 'provisioner', errors)
    checkParameters(parameters, 'parameters', errors)
    if (reclaimPolicy && !RECLAIM_POLICIES.includes(reclaimPolicy))
      errors.push(notSupported('reclaimPolicy', reclaimPolicy, RECLAIM_POLICIES))
    if (!BINDING_MODES.includes(mode ?? '')) errors.push(notSupported('volumeBindingMode', mode, BINDING_MODES))
    checkTopologies(allowedTopologies ?? [], errors)
    return errors
  },
  validateUpdate: (nextObject, oldObject) => {
    const [next, old] = [asClass(nextObject), asClass(oldObject)]
    const errors: FieldError[] = []
    for (const field of ['parameters', 'provisioner', 'reclaimPolicy'] as const)
      if (!sameValue(next[field], old[field])) errors.push(forbidden(field, `updates to ${field} are forbidden.`))
    if (next.volumeBindingMode !== old.volumeBindingMode)
      errors.push(invalid('volumeBindingMode', next.volumeBindingMode ?? null, IMMUTABLE))
    return errors
  },
  cells: (object, now) => {
    const { metadata, provisioner, reclaimPolicy, volumeBindingMode, allowVolumeExpansion } = asClass(object)
    return [
      `${metadata.name ?? ''}${isDefaultClass(object) ? ' (default)' : ''}`,
      provisioner,
      reclaimPolicy ?? 'Delete',
      volumeBindingMode ?? 'Immediate',
      allowVolumeExpansion ?? false,
      age(metadata.creationTimestamp, now)
    ]
  }
}

const attributesRules: Rules = {
  validate: (object, old) => {
    const errors: FieldError[] = []
    if (old !== undefined) return errors
    const { driverName, parameters = {} } = asAttributes(object)
    checkProvisioner(driverName, 'driverName', errors)
    checkParameters(parameters, 'parameters', errors)
    if (Object.keys(parameters).length === 0)
      errors.push(required('parameters', 'must contain at least one key/value pair'))
    return errors
  },
  validateUpdate: (next, old) => {
    const fields = ['driverName', 'parameters'] as const
    return fields
      .filter((field) => !sameValue(asAttributes(next)[field], asAttributes(old)[field]))
      .map((field) => forbidden(field, `updates to ${field} are forbidden.`))
  },
  cells: (object, now) => {
    const { metadata, driverName } = asAttributes(object)
    return [metadata.name ?? '', driverName, age(metadata.creationTimestamp, now)]
  }
}

export const storageClassKinds: readonly Kind[] = [
  row('storage.k8s.io/v1', 'storageclasses', classRules),
  row('storage.k8s.io/v1', 'volumeattributesclasses', attributesRules)
]
