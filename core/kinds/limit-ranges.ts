import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, required } from '../field-errors.ts'
import { isQualifiedName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { canonicalQuantity, compareQuantities, quantityMilli, quantityNumber } from '../quantity.ts'
import { complaints, type Errors } from './checks.ts'
import type { Kind } from './kind.ts'
import { type ResourceList, roundResources } from './resource-lists.ts'
import { checkContainerResourceName, checkResourceName, isOvercommitAllowed } from './resource-rules.ts'
import { row } from './row.ts'
import type { LimitRange, LimitRangeItem, Quantity } from './types.ts'

const asRange = (object: KubeObject) => object as unknown as LimitRange
const TYPES = ['Pod', 'Container', 'PersistentVolumeClaim']
const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const
type ListName = (typeof LISTS)[number]

/** A container's limit defaults to the maximum, its request to the limit, else to the minimum. */
function defaultItem(item: LimitRangeItem): void {
  for (const list of LISTS) roundResources(item[list])
  if (item.type !== 'Container') return
  const limits: ResourceList = { ...item.max, ...item.default }
  const requests: ResourceList = { ...item.min, ...limits, ...item.defaultRequest }
  if (Object.keys(limits).length > 0) item.default = limits
  if (Object.keys(requests).length > 0) item.defaultRequest = requests
}

function checkType(type: string, path: string, errors: Errors): void {
  const wrong = complaints(path, type, isQualifiedName(type))
  errors.push(...wrong)
  if (wrong.length === 0 && !type.includes('/') && !TYPES.includes(type))
    errors.push(invalid(path, type, 'must be a standard limit type or fully qualified'))
}

function checkNames(item: LimitRangeItem, list: ListName, { path, errors }: { path: string; errors: Errors }): void {
  const check = item.type === 'Pod' || item.type === 'Container' ? checkContainerResourceName : checkResourceName
  for (const name in item[list]) check(name, `${path}.${list}[${name}]`, errors)
}

function checkItem(item: LimitRangeItem, path: string, errors: Errors): void {
  checkNames(item, 'max', { path, errors })
  checkNames(item, 'min', { path, errors })
  for (const list of ['default', 'defaultRequest'] as const) {
    if (item.type !== 'Pod') checkNames(item, list, { path, errors })
    else if (Object.keys(item[list] ?? {}).length > 0)
      errors.push(forbidden(`${path}.${list}`, "may not be specified when `type` is 'Pod'"))
  }
  if (item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined)
    errors.push(
      required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided')
    )
  checkNames(item, 'maxLimitRequestRatio', { path, errors })
  const counted = LISTS.filter((list) => item.type !== 'Pod' || !list.startsWith('default'))
  const names = new Set(counted.flatMap((list) => Object.keys(item[list] ?? {})))
  for (const name of names) checkAmounts(item, name, { path, errors, pod: item.type === 'Pod' })
}

function checkAmounts(
  item: LimitRangeItem,
  name: string,
  { path, errors, pod }: { path: string; errors: Errors; pod: boolean }
): void {
  const amounts: Readonly<Record<ListName, Quantity | undefined>> = {
    max: item.max?.[name],
    min: item.min?.[name],
    default: pod ? undefined : item.default?.[name],
    defaultRequest: pod ? undefined : item.defaultRequest?.[name],
    maxLimitRequestRatio: item.maxLimitRequestRatio?.[name]
  }
  for (const [low, high, { at, show, text }] of ORDER) {
    const [a, b] = [amounts[low], amounts[high]]
    if (a === undefined || b === undefined || compareQuantities(a, b) <= 0) continue
    const shown = canonicalQuantity(amounts[show] ?? 0)
    errors.push(invalid(`${path}.${at}[${name}]`, shown, text(canonicalQuantity(a), canonicalQuantity(b))))
  }
  checkRatio(amounts, `${path}.maxLimitRequestRatio[${name}]`, errors)
  const { default: limit, defaultRequest: request } = amounts
  if (isOvercommitAllowed(name) || limit === undefined || request === undefined) return
  if (compareQuantities(limit, request) === 0) return
  const [a, b] = [canonicalQuantity(limit), canonicalQuantity(request)]
  const why = `default value ${a} must equal to defaultRequest value ${b} in ${name}`
  errors.push(invalid(`${path}.defaultRequest[${name}]`, b, why))
}

interface Words {
  readonly at: ListName
  readonly show: ListName
  readonly text: (low: string, high: string) => string
}

/** What may not be greater than what. */
const ORDER: readonly (readonly [ListName, ListName, Words])[] = [
  ['min', 'max', { at: 'min', show: 'min', text: (a, b) => `min value ${a} is greater than max value ${b}` }],
  [
    'min',
    'defaultRequest',
    {
      at: 'defaultRequest',
      show: 'defaultRequest',
      text: (a, b) => `min value ${a} is greater than default request value ${b}`
    }
  ],
  [
    'defaultRequest',
    'max',
    {
      at: 'defaultRequest',
      show: 'defaultRequest',
      text: (a, b) => `default request value ${a} is greater than max value ${b}`
    }
  ],
  [
    'defaultRequest',
    'default',
    {
      at: 'defaultRequest',
      show: 'defaultRequest',
      text: (a, b) => `default request value ${a} is greater than default limit value ${b}`
    }
  ],
  [
    'min',
    'default',
    { at: 'default', show: 'min', text: (a, b) => `min value ${a} is greater than default value ${b}` }
  ],
  [
    'default',
    'max',
    { at: 'default', show: 'max', text: (a, b) => `default value ${a} is greater than max value ${b}` }
  ]
]

function checkRatio(amounts: Readonly<Record<ListName, Quantity | undefined>>, path: string, errors: Errors): void {
  const { maxLimitRequestRatio: ratio, min, max } = amounts
  if (ratio === undefined) return
  const shown = canonicalQuantity(ratio)
  if (compareQuantities(ratio, 1) < 0) errors.push(invalid(path, shown, `ratio ${shown} is less than 1`))
  if (min === undefined || max === undefined) return
  const most = quantityMilli(max) / quantityMilli(min)
  if (quantityNumber(ratio) > most)
    errors.push(invalid(path, shown, `ratio ${shown} is greater than max/min = ${most.toFixed(6)}`))
}

export const limitRangeKinds: readonly Kind[] = [
  row('v1', 'limitranges', {
    defaults: (object) => {
      for (const item of asRange(object).spec?.limits ?? []) defaultItem(item)
    },
    validate: (object) => {
      const errors: FieldError[] = []
      const seen = new Set<string>()
      asRange(object).spec?.limits?.forEach((item, i) => {
        const path = `spec.limits[${i}]`
        checkType(item.type, `${path}.type`, errors)
        if (seen.has(item.type)) errors.push(duplicate(`${path}.type`, item.type))
        seen.add(item.type)
        checkItem(item, path, errors)
      })
      return errors
    },
    cells: ({ metadata }) => [metadata.name ?? '', metadata.creationTimestamp ?? '']
  })
]
