/** PATCH with application/apply-patch+yaml: server-side apply, to an object that is there or not yet. */
import { ApiError } from '../../core/errors.ts'
import type { ApiResponse } from '../../core/http.ts'
import { isObject, type JsonObject } from '../../core/json.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import { apply } from '../../core/merge/apply.ts'
import type { Writer } from '../../core/merge/managers.ts'
import { problemsOf, problemText } from '../../core/merge/typed.ts'
import type { Type } from '../../core/merge/types.ts'
import type { KubeObject } from '../../core/object.ts'
import { decode } from '../../core/validate.ts'
import { jsonAnswer, warningHeader } from './answers.ts'
import { type Configuration, configurationOf } from './apply-body.ts'
import { createObject, creationWarnings } from './create.ts'
import { BareError, badRequest, conflict, notFound } from './failures.ts'
import { setEntries, typeOfKind, writerOf } from './field-manager.ts'
import { ensureNamespace } from './metadata.ts'
import { type WriteOptions, writeOptions } from './options.ts'
import type { ApiContext, ResourceRequest } from './types.ts'
import { authorizeCreation, changeObject, checkName, type Path, storeKey, wholePath } from './update.ts'

export const APPLY = 'application/apply-patch+yaml'

export async function applyObject(at: ResourceRequest, context: ApiContext, path?: Path): Promise<ApiResponse> {
  const { kind, name = '' } = at
  const options = writeOptions(at.request.query, 'PatchOptions', true)
  const patch = await configurationOf(at.request)
  let warnings = options.fieldValidation === 'Ignore' ? [] : patch.duplicates
  const current = await context.store.get(kind.storage, storeKey(at))
  if (current === undefined) {
    if (path !== undefined) throw notFound(kind, name)
    const payload = await createApplied(at, context, { patch, options })
    if (payload !== undefined) {
      return jsonAnswer(201, payload, warningHeader([...warnings, ...creationWarnings(kind, payload)]))
    }
  }
  const payload = await changeObject(at, context, {
    path: path ?? wholePath(kind),
    dryRun: options.dryRun,
    tracked: true,
    produce: (old) => {
      const next = applied(kind, { live: old.value, patch }, { writer: writerOf(at, context), options })
      checkName(next, at)
      return next
    },
    warn: (further) => {
      warnings = [...warnings, ...further]
    }
  })
  return jsonAnswer(200, payload, warningHeader(warnings))
}

/** undefined: somebody else has created it meanwhile. */
async function createApplied(
  at: ResourceRequest,
  context: ApiContext,
  { patch, options }: { patch: Configuration; options: WriteOptions }
) {
  const { kind, name = '' } = at
  const { dryRun } = options
  const object = applied(kind, { live: undefined, patch }, { writer: writerOf(at, context), options })
  const { uid = '', managedFields = [] } = object.metadata
  if ((object.metadata.name ?? '') === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
  }
  ensureNamespace(object.metadata, kind.namespaced ? at.namespace : undefined)
  checkName(object, at)
  // Kubernetes takes no notice of the version here.
  delete object.metadata.resourceVersion
  if (uid !== '') {
    throw conflict(
      kind,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`
    )
  }
  await authorizeCreation(at, context)
  try {
    return await createObject(at, context, { object, dryRun, entries: managedFields })
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'AlreadyExists' && !dryRun) return undefined
    throw error
  }
}

/** The object as the patch makes it, decoded, with its entries. Throws Conflict, and what is wrong with the patch. */
function applied(
  kind: Kind,
  { live, patch: { value: patch, duplicates } }: { live: KubeObject | undefined; patch: Configuration },
  { writer, options }: { writer: Writer; options: WriteOptions }
): KubeObject {
  const type = typeOfKind(kind)
  checkConfiguration(type, patch, kind)
  const before: JsonObject = live === undefined ? {} : { ...live, metadata: withoutEntries(live) }
  const { object, entries } = apply({
    type,
    live: before,
    patch,
    entries: live?.metadata.managedFields ?? [],
    writer,
    force: options.force
  })
  if (options.fieldValidation === 'Strict') refuseDuplicates(duplicates)
  const next = decodeApplied(kind, object ?? before)
  setEntries(next, entries)
  return next
}

function withoutEntries({ metadata }: KubeObject): JsonObject {
  const { managedFields: _, ...rest } = metadata
  return rest as JsonObject
}

function decodeApplied(kind: Kind, value: JsonObject): KubeObject {
  try {
    return decode(kind, value).object
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'BadRequest') throw error
    const why = error.message.replace(/^.*? cannot be handled as a [A-Za-z]+: /, '')
    throw new BareError(`failed to convert new object (${nameText(value, kind)}) to proper version: ${why}`)
  }
}

export function refuseDuplicates(duplicates: readonly string[]): void {
  if (duplicates.length === 0) return
  const lines = duplicates.map((line) => `\n  ${line}`).join('')
  throw badRequest(`error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:${lines}`)
}

type Named = Pick<Kind, 'group' | 'version' | 'kind'>

/** Throws BadRequest for another kind's, and what Kubernetes says of one that does not fit the schema. */
export function checkConfiguration(type: Type, patch: JsonObject, kind: Named): void {
  const apiVersion = text(patch.apiVersion)
  if (patch.kind !== kind.kind || apiVersion !== apiVersionOf(kind)) {
    throw badRequest(`invalid object type: ${gvkText(apiVersion, text(patch.kind))}`)
  }
  const metadata = isObject(patch.metadata) ? patch.metadata : {}
  if (metadata.managedFields !== undefined && metadata.managedFields !== null) {
    throw badRequest('metadata.managedFields must be nil')
  }
  const problems = problemsOf(type, patch)
  if (problems.length === 0) return
  throw new BareError(`failed to create typed patch object (${nameText(patch, kind)}): ${problemText(problems)}`)
}

function nameText(object: JsonObject, kind: Named): string {
  const metadata = isObject(object.metadata) ? object.metadata : {}
  return `${text(metadata.namespace)}/${text(metadata.name)}; ${gvkText(apiVersionOf(kind), kind.kind)}`
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function gvkText(apiVersion: string, kind: string): string {
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`
}
