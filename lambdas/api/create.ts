/** POST: a new object. */
import { ApiError, type FieldError } from '../../core/errors.ts'
import { invalidError } from '../../core/field-errors.ts'
import type { ApiResponse, Payload } from '../../core/http.ts'
import type { Kind, RuleContext } from '../../core/kinds/kind.ts'
import type { Entries } from '../../core/merge/managers.ts'
import { type KubeObject, keyOf, splitKey } from '../../core/object.ts'
import { type Decoded, decode } from '../../core/validate.ts'
import { validateMetadata } from '../../core/validate-metadata.ts'
import { admit } from './admit.ts'
import { jsonAnswer, payloadOf, warningHeader } from './answers.ts'
import { bodyOf, readObject, type TextBody } from './body.ts'
import { commitChange } from './commit.ts'
import { storedKind } from './convert.ts'
import { alreadyExists, BareError, forbiddenFor } from './failures.ts'
import { entriesOfNew, setEntries, writerOf } from './field-manager.ts'
import { dropRepeatedOwners, ensureNamespace, fillMetadata, generatedName } from './metadata.ts'
import { type WriteOptions, writeOptions } from './options.ts'
import type { ApiContext, ResourceRequest } from './types.ts'

/** How many generated names are tried before the client hears of a collision. */
const MAX_NAMES = 8
const TOO_LATE = 'create not allowed while custom resource definition is terminating'

export async function create(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const { request, kind } = at
  const body = await bodyOf(request)
  const options = writeOptions(request.query, 'CreateOptions')
  const value = readObject(body, kind)
  const { object, warnings } = decode(kind, value, decoding(options, body))
  const repeated = dropRepeatedOwners(object.metadata)
  const payload = await warning(at, warnings, createObject(at, context, { object, dryRun: options.dryRun }))
  return jsonAnswer(201, payload, warningHeader([...warnings, ...repeated, ...creationWarnings(kind, payload)]))
}

/** Who is refused is still told what was odd about the body. */
export async function warning<T>(at: ResourceRequest, warnings: readonly string[], written: Promise<T>): Promise<T> {
  try {
    return await written
  } catch (error) {
    for (const text of warnings) at.notes?.warn(text)
    throw error
  }
}

/** What the kind says of its new object. */
export function creationWarnings({ rules }: Kind, { value }: Payload): readonly string[] {
  return rules.warnings?.(value as KubeObject, undefined) ?? []
}

/** How a body is decoded: what came over the wire is searched for unknown and duplicate fields. */
export function decoding(
  options: WriteOptions,
  body: { readonly text?: string | undefined; readonly yaml?: TextBody['yaml'] } | { readonly value: unknown }
): Parameters<typeof decode>[2] {
  const text = 'text' in body ? body.text : undefined
  if (text === undefined) return 'Ignore'
  const repeated = ('yaml' in body ? body.yaml?.repeated : undefined) ?? []
  const strict = repeated.length === 0 ? [] : [`yaml: unmarshal errors:\n${repeated.join('\n')}`]
  return { mode: options.fieldValidation, text, strict }
}

/** From a decoded object, which it owns, to the stored one. `entries`: its managedFields, where they are known. */
export async function createObject(
  at: ResourceRequest,
  context: ApiContext,
  { object, dryRun, entries }: { object: Decoded['object']; dryRun: boolean; entries?: Entries }
): Promise<Payload> {
  const { kind } = at
  const { metadata } = object
  const givenVersion = metadata.resourceVersion ?? ''
  ensureNamespace(metadata, kind.namespaced ? at.namespace : undefined)
  const generated = (metadata.name ?? '') === ''
  const sent = metadata.managedFields
  fillMetadata(metadata, context.ports)
  delete metadata.resourceVersion
  kind.rules.defaults?.(object)
  setEntries(object, entries ?? entriesOfNew(kind, object, { sent, writer: writerOf(at, context) }))
  if (kind.rules.load !== undefined) await kind.rules.load()
  await prepare(at, context, { object, dryRun })
  if (givenVersion !== '' && givenVersion !== '0') {
    throw new BareError('resourceVersion should not be set on objects to be created', 500)
  }
  for (let attempt = 1; ; attempt++) {
    const key = keyOf(metadata)
    if (dryRun) {
      if ((await context.store.get(kind.storage, key)) === undefined) return payloadOf(object)
    } else {
      const entry = await commitChange(context, { kind, key, old: undefined, next: object })
      if (entry !== undefined) return entry
      delete metadata.resourceVersion
    }
    if (!generated || attempt === MAX_NAMES) throw await existing(at, context, key)
    metadata.name = generatedName(metadata.generateName ?? '', context.ports)
  }
}

async function existing({ kind }: ResourceRequest, { store }: ApiContext, key: string): Promise<ApiError> {
  const error = alreadyExists(kind, splitKey(key).name)
  const entry = await store.get(kind.storage, key)
  if (entry?.value.metadata.deletionTimestamp === undefined) return error
  return new ApiError('AlreadyExists', `object is being deleted: ${error.message}`, { details: error.details })
}

/** Admission and the kind's own preparation; then the checks. */
async function prepare(
  at: ResourceRequest,
  context: ApiContext,
  { object, dryRun }: { object: KubeObject; dryRun: boolean }
): Promise<void> {
  const { kind } = at
  const { rules } = kind
  if (kind.custom?.terminating === true) throw forbiddenFor(kind, object.metadata.name ?? '', TOO_LATE)
  const what = { operation: 'CREATE', name: object.metadata.name, object, old: undefined, dryRun } as const
  await admit('mutate', at, { context, what })
  ensureNamespace(object.metadata, kind.namespaced ? at.namespace : undefined)
  rules.prepareCreate?.(object, ruleContext(context))
  if (rules.generation !== undefined && rules.generation !== false) object.metadata.generation = 1
  const errors: FieldError[] = validateMetadata(kind, object)
  if (rules.validate !== undefined) errors.push(...rules.validate(object))
  if (rules.validateCreate !== undefined) errors.push(...rules.validateCreate(object))
  if (errors.length > 0) throw invalidError(storedKind(kind), object.metadata.name ?? '', errors)
  await admit('validate', at, { context, what })
}

export function ruleContext({ ports }: ApiContext): RuleContext {
  return { now: ports.clock.now(), random: () => ports.random.next() }
}
