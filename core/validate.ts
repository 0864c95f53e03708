/** From a JSON value to an object of a kind: what Kubernetes' decoding keeps, drops, warns of and refuses. */
import { duplicateKeys } from './duplicate-keys.ts'
import { ApiError } from './errors.ts'
import { goQuote } from './go-text.ts'
import type { CustomKind, Kind } from './kinds/kind.ts'
import type { KubeObject } from './object.ts'
import { decodeSchema, newState } from './schema-decode.ts'

/** The query parameter fieldValidation; Warn is Kubernetes' default. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

export interface Decoded {
  /** A private copy, kind and apiVersion first. */
  readonly object: KubeObject
  /** `unknown field "spec.foo"`, `duplicate field "x"`; none with Ignore. */
  readonly warnings: readonly string[]
}

export type DecodedKind = Pick<Kind, 'kind' | 'version' | 'schema' | 'custom'>

interface How {
  readonly mode: FieldValidation
  /** The JSON that the value came from. */
  readonly text?: string | undefined
  /** Further problems that Strict refuses; they fit into no header, so that Warn is silent about them. */
  readonly strict?: readonly string[]
}

/**
 * Reads a value as an object of the kind. `how.text` is the JSON that the value came from, where there is one: its
 * duplicate keys are found there. Throws BadRequest with kube-apiserver's text for wrong types and, with Strict, for
 * unknown and duplicate fields. A kind without a schema takes any object.
 */
export function decode(kind: DecodedKind, value: unknown, how: FieldValidation | How = 'Ignore'): Decoded {
  const { mode, text, strict = [] }: How = typeof how === 'string' ? { mode: how } : how
  const { object, unknown } = decodeObject(kind, value)
  if (mode === 'Ignore') return { object, warnings: [] }
  const duplicates = text === undefined ? [] : duplicateKeys(text)
  const warnings = [
    ...unknown.map((field) => `unknown field ${goQuote(field)}`),
    ...duplicates.map((field) => `duplicate field ${goQuote(field)}`)
  ]
  if (mode === 'Strict' && warnings.length + strict.length > 0)
    throw cannotHandle(kind, `strict decoding error: ${[...strict, ...warnings].join(', ')}`)
  return { object, warnings }
}

function decodeObject(kind: DecodedKind, value: unknown): { object: KubeObject; unknown: readonly string[] } {
  if (kind.custom !== undefined) return decodeCustom(kind, kind.custom, value)
  if (kind.schema === '') return { object: { metadata: {}, ...(value as object) }, unknown: [] }
  const state = newState()
  try {
    const { apiVersion, kind: name, metadata = {}, ...rest } = decodeSchema(kind.schema, value, state)
    return {
      object: {
        ...(name === undefined ? {} : { kind: name as string }),
        ...(apiVersion === undefined ? {} : { apiVersion: apiVersion as string }),
        metadata: metadata as KubeObject['metadata'],
        ...rest
      },
      unknown: state.unknown
    }
  } catch (error) {
    if (error instanceof ApiError) throw cannotHandle(kind, error.message)
    throw error
  }
}

function decodeCustom(kind: DecodedKind, custom: CustomKind, value: unknown): ReturnType<CustomKind['decode']> {
  try {
    return custom.decode(value)
  } catch (error) {
    if (error instanceof ApiError) throw cannotHandle(kind, error.message)
    throw error
  }
}

function cannotHandle(kind: DecodedKind, problem: string): ApiError {
  return new ApiError(
    'BadRequest',
    `${kind.kind} in version ${goQuote(kind.version)} cannot be handled as a ${kind.kind}: ${problem}`
  )
}
