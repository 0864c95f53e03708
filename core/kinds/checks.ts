/** Small checks that the kinds' validation shares. Each pushes onto `errors` and answers nothing. */
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import {
  byteLength,
  isDNS1123Label,
  isDNS1123Subdomain,
  isLabelValue,
  isPortName,
  isPortNumber,
  isQualifiedName,
  regexError
} from '../names.ts'
import type { IntOrString, LabelSelector, LabelSelectorRequirement } from './types.ts'

export type Errors = FieldError[]

export const IMMUTABLE = 'field is immutable'
export const NEGATIVE = 'must be greater than or equal to 0'
export const NOT_POSITIVE = 'must be greater than zero'

const NO_ERRORS: readonly FieldError[] = []

/** One error for each complaint about the value. */
export function complaints(path: string, value: unknown, messages: readonly string[]): readonly FieldError[] {
  return messages.length === 0 ? NO_ERRORS : messages.map((message) => invalid(path, value, message))
}

export function checkLabel(value: string, path: string, errors: Errors): void {
  const messages = isDNS1123Label(value)
  if (messages.length > 0) errors.push(...complaints(path, value, messages))
}

export function checkSubdomain(value: string, path: string, errors: Errors): void {
  const messages = isDNS1123Subdomain(value)
  if (messages.length > 0) errors.push(...complaints(path, value, messages))
}

export function checkQualifiedName(value: string, path: string, errors: Errors): void {
  const messages = isQualifiedName(value)
  if (messages.length > 0) errors.push(...complaints(path, value, messages))
}

export function checkRequired(value: unknown, path: string, errors: Errors): void {
  if (value === undefined || value === null || value === '') errors.push(required(path))
}

export function checkNonnegative(value: number | undefined, path: string, errors: Errors): void {
  if (value !== undefined && value < 0) errors.push(invalid(path, value, NEGATIVE))
}

/** A number from 1 to 65535, or the name of a container's port. */
export function checkPort(value: IntOrString | undefined, path: string, errors: Errors): void {
  const port = value ?? 0
  errors.push(...complaints(path, port, typeof port === 'number' ? isPortNumber(port) : isPortName(port)))
}

/** `allowed` in the order in which Kubernetes lists it; '' counts as missing. */
export function checkOneOf(
  value: string | undefined,
  path: string,
  { allowed, errors }: { allowed: readonly string[]; errors: Errors }
): void {
  if (value === undefined || value === '') errors.push(required(path))
  else if (!allowed.includes(value)) errors.push(notSupported(path, value, allowed))
}

const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"
const HTTP_PATH_PATTERN = new RegExp(`^${HTTP_PATH}$`)

/** "example.com/name". */
export function checkDomainPath(value: string, path: string, errors: Errors): void {
  if (value === '') {
    errors.push(required(path))
    return
  }
  const slash = value.indexOf('/')
  const [host, rest] = [value.slice(0, Math.max(slash, 0)), value.slice(slash + 1)]
  if (host === '' || rest === '') {
    errors.push(invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
    return
  }
  checkSubdomain(host, path, errors)
  if (!HTTP_PATH_PATTERN.test(rest)) errors.push(invalid(path, rest, regexError('Invalid path', HTTP_PATH)))
}

export function checkLabels(labels: Readonly<Record<string, string>> | undefined, path: string, errors: Errors): void {
  if (labels === undefined) return
  for (const key in labels) {
    checkQualifiedName(key, path, errors)
    const value = labels[key] ?? ''
    const messages = isLabelValue(value)
    if (messages.length > 0) errors.push(...complaints(path, value, messages))
  }
}

const ANNOTATIONS_BYTES = 256 * 1024

export function checkAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
  errors: Errors
): void {
  if (annotations === undefined) return
  let size = 0
  for (const key in annotations) {
    checkQualifiedName(key.toLowerCase(), path, errors)
    size += byteLength(key) + byteLength(annotations[key] ?? '')
  }
  if (size > ANNOTATIONS_BYTES) errors.push(tooLong(path, ANNOTATIONS_BYTES))
}

export function checkLabelSelector(selector: LabelSelector | undefined, path: string, errors: Errors): void {
  if (selector === undefined) return
  checkLabels(selector.matchLabels, `${path}.matchLabels`, errors)
  selector.matchExpressions?.forEach((requirement, i) => {
    checkSelectorRequirement(requirement, `${path}.matchExpressions[${i}]`, errors)
  })
}

function checkSelectorRequirement(requirement: LabelSelectorRequirement, path: string, errors: Errors): void {
  const values = requirement.values ?? []
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
      break
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
      break
    default:
      errors.push(invalid(`${path}.operator`, requirement.operator ?? '', 'not a valid selector operator'))
  }
  checkQualifiedName(requirement.key ?? '', `${path}.key`, errors)
  values.forEach((value, i) => {
    errors.push(...complaints(`${path}.values[${i}]`, value, isLabelValue(value)))
  })
}

/** A selector in the order of Go's fields, as messages print it. */
export function printedSelector(selector: LabelSelector): unknown {
  const { matchLabels, matchExpressions } = selector
  return {
    ...(matchLabels === undefined || Object.keys(matchLabels).length === 0 ? {} : { matchLabels: sorted(matchLabels) }),
    ...(matchExpressions === undefined || matchExpressions.length === 0
      ? {}
      : {
          matchExpressions: matchExpressions.map(({ key, operator, values }) => {
            return { key, operator, ...(values === undefined || values.length === 0 ? {} : { values }) }
          })
        })
  }
}

/** A map as Go's encoding/json prints it: keys sorted; a missing one is null. */
export function sorted<T>(map: Readonly<Record<string, T>> | undefined): Record<string, T> | null {
  if (map === undefined) return null
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Equality of JSON values as Kubernetes' semantic equality sees it: what is empty equals what is missing. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (isEmpty(a) && isEmpty(b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]))
  if (Array.isArray(b)) return false
  const left = a as Record<string, unknown>
  const right = b as Record<string, unknown>
  for (const key in left) if (!sameValue(left[key], right[key])) return false
  for (const key in right) if (!(key in left) && !sameValue(undefined, right[key])) return false
  return true
}

/** Missing, or an empty list: Go's semantic equality makes no difference. An empty object may be a pointer: it counts. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}
