/** Wrong fields in the words of k8s.io/apimachinery/pkg/util/validation/field, and the Status that carries them. */
import { ApiError, type FieldError, type FieldErrorType } from './errors.ts'
import { goJson, goQuote } from './go-text.ts'
import type { StatusCause } from './kinds/types.ts'

const WORDS: Readonly<Record<FieldErrorType, string>> = {
  FieldValueRequired: 'Required value',
  FieldValueInvalid: 'Invalid value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueNotFound: 'Not found',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  FieldValueTypeInvalid: 'Invalid value',
  InternalError: 'Internal error'
}

const WITHOUT_VALUE: ReadonlySet<FieldErrorType> = new Set([
  'FieldValueRequired',
  'FieldValueForbidden',
  'FieldValueTooLong',
  'InternalError'
])

export function required(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, detail }
}

/** `value` is shown as JSON; undefined leaves it out of the message. */
export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, value, detail }
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, value }
}

/** `allowed` in the order that Kubernetes lists them: mostly sorted, as it keeps them in sets. */
export function notSupported(field: string, value: unknown, allowed: readonly string[]): FieldError {
  const detail = allowed.length === 0 ? '' : `supported values: ${allowed.map(goQuote).join(', ')}`
  return { type: 'FieldValueNotSupported', field, value, detail }
}

export function forbidden(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, detail }
}

export function notFound(field: string, value: unknown): FieldError {
  return { type: 'FieldValueNotFound', field, value }
}

/** A check that could not be made. */
export function internal(field: string, detail: string): FieldError {
  return { type: 'InternalError', field, detail }
}

/** `most`: bytes. */
export function tooLong(field: string, most: number): FieldError {
  return { type: 'FieldValueTooLong', field, detail: `may not be more than ${most} byte${most === 1 ? '' : 's'}` }
}

export function tooMany(field: string, count: number, most: number): FieldError {
  const detail = `must have at most ${most} item${most === 1 ? '' : 's'}`
  return { type: 'FieldValueTooMany', field, value: count, detail }
}

export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueTypeInvalid', field, value, detail }
}

/** The message without the field: what stands in a cause of the Status. */
export function errorBody(error: FieldError): string {
  const { value, detail = '' } = error
  let text = WORDS[error.type]
  if (value !== undefined && !WITHOUT_VALUE.has(error.type))
    text += `: ${typeof value === 'string' ? goQuote(value) : goJson(value)}`
  return detail === '' ? text : `${text}: ${detail}`
}

/** "spec.x: Required value"; several as "[a, b]", each only once. */
export function errorText(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map((error) => `${error.field}: ${errorBody(error)}`))]
  return texts.length === 1 ? texts.join() : `[${texts.join(', ')}]`
}

/** The 422 of kube-apiserver: `Pod "a" is invalid: [...]` with one cause for each error. */
export function invalidError(
  kind: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[]
): ApiError {
  const qualified = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`
  const what = `${qualified} ${goQuote(name)} is invalid`
  const causes = errors.map((error): StatusCause => {
    return { reason: error.type, message: errorBody(error), field: error.field }
  })
  return new ApiError('Invalid', errors.length === 0 ? what : `${what}: ${errorText(errors)}`, {
    details: {
      ...(name === '' ? {} : { name }),
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.kind,
      ...(causes.length === 0 ? {} : { causes })
    }
  })
}
