/** What the controllers of apiextensions write into a definition's status: which names are taken, whether it is served. */
import { goQuote } from '../go-text.ts'
import { sameJson } from '../json.ts'
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionStatus
} from '../kinds/types.ts'
import { timestamp } from '../ports.ts'

type Names = CustomResourceDefinitionNames
type Condition = CustomResourceDefinitionCondition

export function findCondition({ status }: CustomResourceDefinition, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type)
}

export function isConditionTrue(definition: CustomResourceDefinition, type: string): boolean {
  return findCondition(definition, type)?.status === 'True'
}

/** The conditions with one of them set; the time moves only when its status does. `now` in milliseconds. */
export function withCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: number
): Condition[] {
  const old = conditions.find(({ type }) => type === condition.type)
  const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : timestamp(now)
  const next: Condition = {
    type: condition.type,
    status: condition.status,
    lastTransitionTime,
    reason: condition.reason,
    message: condition.message
  }
  return old === undefined ? [...conditions, next] : conditions.map((one) => (one === old ? next : one))
}

const NO_NAMES: Names = { plural: '', kind: '' }

/** The status that a definition should have; undefined: it has it. `others`: the other definitions of its group. */
export function nextStatus(
  definition: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  now: number
): CustomResourceDefinitionStatus | undefined {
  return naming(definition, others, now) ?? establishing(definition, now)
}

function naming(
  definition: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  now: number
): CustomResourceDefinitionStatus | undefined {
  const { spec, status } = definition
  const accepted = status?.acceptedNames ?? NO_NAMES
  if (sameJson(spec.names, accepted)) return undefined
  const { names, conflict } = calculate(spec.names, accepted, others)
  const condition =
    conflict === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', reason: conflict.reason, message: conflict.message }
  const old = findCondition(definition, 'NamesAccepted')
  const same = old?.status === condition.status && old.reason === condition.reason && old.message === condition.message
  if (sameJson(accepted, names) && same) return undefined
  let conditions = withCondition(status?.conditions ?? [], condition, now)
  const established = findCondition(definition, 'Established')
  if (established?.status !== 'True') {
    const next =
      conflict === undefined
        ? { reason: 'Installing', message: 'the initial names have been accepted' }
        : {
            reason: established?.reason ?? 'NotAccepted',
            message: established?.message ?? 'not all names are accepted'
          }
    conditions = withCondition(conditions, { type: 'Established', status: 'False', ...next }, now)
  }
  return { ...status, acceptedNames: names, conditions }
}

function calculate(
  requested: Names,
  accepted: Names,
  others: readonly CustomResourceDefinition[]
): { names: Names; conflict: { reason: string; message: string } | undefined } {
  const taken = others.map(({ status }) => status?.acceptedNames ?? NO_NAMES)
  const resources = new Set(
    taken.flatMap(({ plural, singular = '', shortNames = [] }) => [plural, singular, ...shortNames])
  )
  const kinds = new Set(taken.flatMap(({ kind, listKind = '' }) => [kind, listKind]))
  const names: Names = { ...accepted }
  let conflict: { reason: string; message: string } | undefined
  const inUse = (name: string) => `${goQuote(name)} is already in use`
  const take = (field: 'plural' | 'singular' | 'kind' | 'listKind', used: ReadonlySet<string>) => {
    const name = requested[field] ?? ''
    if (name !== (accepted[field] ?? '') && used.has(name)) {
      conflict = { reason: `${field.charAt(0).toUpperCase()}${field.slice(1)}Conflict`, message: inUse(name) }
    } else names[field] = name
  }
  take('plural', resources)
  take('singular', resources)
  const own = new Set(accepted.shortNames)
  const clashing = (requested.shortNames ?? []).filter((name) => !own.has(name) && resources.has(name))
  if (clashing.length > 0) {
    const texts = clashing.map(inUse)
    conflict = { reason: 'ShortNamesConflict', message: texts.length === 1 ? texts.join() : `[${texts.join(', ')}]` }
  } else if (requested.shortNames === undefined) delete names.shortNames
  else names.shortNames = requested.shortNames
  take('kind', kinds)
  take('listKind', kinds)
  if (requested.categories === undefined) delete names.categories
  else names.categories = requested.categories
  return { names, conflict }
}

function establishing(definition: CustomResourceDefinition, now: number): CustomResourceDefinitionStatus | undefined {
  if (!isConditionTrue(definition, 'NamesAccepted') || isConditionTrue(definition, 'Established')) return undefined
  const condition = {
    type: 'Established',
    status: 'True',
    reason: 'InitialNamesAccepted',
    message: 'the initial names have been accepted'
  }
  const { status } = definition
  const { acceptedNames = NO_NAMES, conditions = [] } = status ?? {}
  return { ...status, acceptedNames, conditions: withCondition(conditions, condition, now) }
}
