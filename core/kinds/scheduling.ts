import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { IMMUTABLE } from './checks.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type { PriorityClass } from './types.ts'

const priorityClass = (object: KubeObject) => object as unknown as PriorityClass

/** Higher ones are the system's. */
const HIGHEST_USER_PRIORITY = 1_000_000_000

/** The two that every cluster has (pkg/apis/scheduling/v1/helpers.go). */
export const SYSTEM_PRIORITIES: Readonly<Record<string, number>> = {
  'system-node-critical': 2_000_001_000,
  'system-cluster-critical': 2_000_000_000
}

function systemProblem({ metadata, value, globalDefault = false }: PriorityClass): string | undefined {
  const name = metadata.name ?? ''
  const known = Object.hasOwn(SYSTEM_PRIORITIES, name) ? SYSTEM_PRIORITIES[name] : undefined
  if (known === undefined) return `${name} is not a known system priority class`
  if (value !== known) return `value of ${name} PriorityClass must be ${known}`
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined
}

function validatePriorityClass(object: KubeObject): FieldError[] {
  const it = priorityClass(object)
  const errors: FieldError[] = []
  if (it.metadata.name?.startsWith('system-')) {
    const problem = systemProblem(it)
    if (problem !== undefined)
      errors.push(
        forbidden(
          'metadata.name',
          `priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`
        )
      )
  } else if ((it.value ?? 0) > HIGHEST_USER_PRIORITY)
    errors.push(forbidden('value', `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`))
  const policy = it.preemptionPolicy
  if (policy === '') errors.push(required('preemptionPolicy'))
  else if (policy !== undefined && policy !== 'PreemptLowerPriority' && policy !== 'Never')
    errors.push(notSupported('preemptionPolicy', policy, ['PreemptLowerPriority', 'Never']))
  return errors
}

function validatePriorityClassUpdate(next: KubeObject, old: KubeObject): FieldError[] {
  const now = priorityClass(next)
  const before = priorityClass(old)
  const errors: FieldError[] = []
  if (now.value !== before.value) errors.push(forbidden('value', 'may not be changed in an update.'))
  if (now.preemptionPolicy !== before.preemptionPolicy)
    errors.push(invalid('preemptionPolicy', now.preemptionPolicy ?? null, IMMUTABLE))
  return errors
}

export const schedulingKinds: readonly Kind[] = [
  row('scheduling.k8s.io/v1', 'priorityclasses', {
    defaults: (object) => {
      object.preemptionPolicy ??= 'PreemptLowerPriority'
      object.value ??= 0
    },
    prepareCreate: ({ metadata }) => {
      metadata.generation = 1
    },
    validate: validatePriorityClass,
    validateUpdate: validatePriorityClassUpdate,
    cells: (object, now) => {
      const { metadata, value, globalDefault = false, preemptionPolicy = '' } = priorityClass(object)
      return [metadata.name ?? '', value, globalDefault, age(metadata.creationTimestamp, now), preemptionPolicy]
    }
  })
]
