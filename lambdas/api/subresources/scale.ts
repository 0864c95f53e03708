/** GET, PUT and PATCH .../scale: the replicas of anything that has some, as one kind of object. */

import { age } from '../../../core/duration.ts'
import type { FieldError } from '../../../core/errors.ts'
import { invalid, invalidError } from '../../../core/field-errors.ts'
import type { ApiResponse } from '../../../core/http.ts'
import { apiVersionOf, type Cell, type Column, type Kind, type ScalePaths } from '../../../core/kinds/kind.ts'
import { type Entries, NOTHING_IGNORED, trackUpdate, type Writer } from '../../../core/merge/managers.ts'
import { namedType, type Type } from '../../../core/merge/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { decode } from '../../../core/validate.ts'
import { admit } from '../admit.ts'
import { valueAnswer, warningHeader } from '../answers.ts'
import { bodyOf, readObject } from '../body.ts'
import { copyJson } from '../copy.ts'
import { decoding } from '../create.ts'
import { internalError, methodNotAllowed, noSuchResource, notFound } from '../failures.ts'
import { setEntries, writerOf } from '../field-manager.ts'
import { writeOptions } from '../options.ts'
import { isApply, patcherOf } from '../patch.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'
import { changeObject, checkName, checkUid, storeKey, wholePath } from '../update.ts'
import { entriesOfParent, entriesOfScale } from './scale-fields.ts'

export const SCALE = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  schema: 'io.k8s.api.autoscaling.v1.Scale'
}

type Json = Record<string, unknown>

const column = (name: string, type: Column['type'], format = ''): Column => {
  return { name, type, format, priority: 0, description: '' }
}
const COLUMNS = [
  column('Name', 'string'),
  column('Desired', 'integer'),
  column('Available', 'integer'),
  column('Age', 'string')
]

/** How the scale of a kind is shown as a table. */
export function scaleTable(kind: Kind): Kind {
  return { ...kind, kind: SCALE.kind, columns: COLUMNS, rules: { cells } }
}

function cells(object: KubeObject, now: number): Cell[] {
  const { name = '', creationTimestamp } = object.metadata
  const [desired, available] = [numberAt(object, ['spec', 'replicas']), numberAt(object, ['status', 'replicas'])]
  return [name, desired, available, age(creationTimestamp, now)]
}

export async function scale(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const paths = at.kind.rules.scale
  if (paths === undefined) throw noSuchResource()
  switch (at.request.method) {
    case 'GET': {
      const entry = await context.store.get(at.kind.storage, storeKey(at))
      if (entry === undefined) throw notFound(at.kind, at.name ?? '')
      const missing = paths.missing?.(entry.value)
      if (missing !== undefined) throw internalError(missing)
      return valueAnswer(200, scaleOf(entry.value, paths))
    }
    case 'PUT': {
      const body = await bodyOf(at.request)
      const options = writeOptions(at.request.query, 'UpdateOptions')
      const { object, warnings } = decode(SCALE, readObject(body, SCALE), decoding(options, body))
      checkName(object, at)
      return await changeScale(at, context, {
        paths,
        dryRun: options.dryRun,
        warnings: () => warnings,
        next: async () => object
      })
    }
    case 'PATCH':
      return await patchScale(at, context, paths)
    default:
      throw methodNotAllowed()
  }
}

async function patchScale(at: ResourceRequest, context: ApiContext, paths: ScalePaths): Promise<ApiResponse> {
  if (isApply(at.request)) return await (await import('./scale-apply.ts')).applyScale(at, context, paths)
  const patcher = patcherOf(at.request)
  const options = writeOptions(at.request.query, 'PatchOptions')
  let warnings: readonly string[] = []
  const next = async (old: KubeObject) => {
    const patched = await patcher.apply(patchable(old, paths), SCALE.schema)
    const decoded = decode(SCALE, patched, decoding(options, patcher))
    warnings = decoded.warnings
    return decoded.object
  }
  return await changeScale(at, context, { paths, dryRun: options.dryRun, warnings: () => warnings, next })
}

/** Zero replicas are not shown, but a patch may replace them. */
function patchable(object: KubeObject, paths: ScalePaths): Json {
  return { ...scaleOf(object, paths), spec: { replicas: numberAt(object, paths.specReplicas) } }
}

export interface ScaleChange {
  readonly paths: ScalePaths
  readonly dryRun: boolean
  readonly warnings: () => readonly string[]
  /** The new Scale; with `owners`, metadata.managedFields is what the Scale shall have, else it is found out. */
  readonly next: (old: KubeObject) => Promise<KubeObject>
  readonly owners?: boolean
}

export async function changeScale(at: ResourceRequest, context: ApiContext, how: ScaleChange): Promise<ApiResponse> {
  const { paths } = how
  const path = wholePath(at.kind)
  const admitted = (phase: 'mutate' | 'validate', object: KubeObject, old: KubeObject) => {
    const what = { operation: 'UPDATE', name: at.name, object, old: scaleOf(old, paths) as KubeObject } as const
    return admit(phase, at, { context, what: { ...what, dryRun: how.dryRun } })
  }
  // Admission sees the Scale, not what it scales.
  const payload = await changeObject(
    at,
    { ...context, admission: [] },
    {
      path: at.kind.custom === undefined ? { ...path, validate: () => [] } : path,
      dryRun: how.dryRun,
      tracked: true,
      produce: async ({ value: old }) => {
        const asked = await how.next(old)
        await admitted('mutate', asked, old)
        const replicas = ((asked.spec ?? {}) as { replicas?: number }).replicas ?? 0
        if (at.kind.custom === undefined) checkReplicas(at.name ?? '', replicas)
        const shown = { ...scaleOf(old, paths), spec: asked.spec ?? {} } as KubeObject
        await admitted('validate', shown, old)
        checkUid(asked, { kind: at.kind, key: storeKey(at), uid: old.metadata.uid ?? '' })
        const { managedFields: stored = [], ...rest } = old.metadata
        const metadata = { ...rest, resourceVersion: asked.metadata.resourceVersion ?? '' }
        const next = withField(copyJson({ ...old, metadata }), paths.specReplicas, replicas)
        const owners =
          how.owners === true ? asked.metadata.managedFields : ownersAfter(at, context, { old, asked, paths })
        const of = { path: paths.specReplicas, apiVersion: apiVersionOf(at.kind) }
        setEntries(next, stored.length === 0 ? stored : entriesOfParent(stored, owners ?? [], of))
        return next
      }
    }
  )
  return valueAnswer(200, scaleOf(payload.value as KubeObject, paths), warningHeader(how.warnings()))
}

/** Who owns the replicas of the Scale after an update. */
function ownersAfter(
  at: ResourceRequest,
  context: ApiContext,
  { old, asked, paths }: { old: KubeObject; asked: KubeObject; paths: ScalePaths }
): Entries {
  const before = scaleOf(old, paths)
  const entries = entriesOfScale(old.metadata.managedFields ?? [], paths.specReplicas)
  // Without owners Kubernetes tracks nothing, as for any object from before it counted them.
  if (entries.length === 0) return entries
  const next = { ...before, spec: asked.spec ?? {} }
  return trackUpdate({ type: scaleType(), live: before, next, entries, writer: scaleWriter(at, context) })
}

export function scaleWriter(at: ResourceRequest, context: ApiContext): Writer {
  const apiVersion = apiVersionOf(SCALE)
  const isServed = (version: string) => version === apiVersion
  return { ...writerOf(at, context), apiVersion, ignored: NOTHING_IGNORED, isServed }
}

export const scaleType = (): Type => namedType(SCALE.schema)

function checkReplicas(name: string, replicas: number): void {
  const errors: FieldError[] = []
  if (replicas < 0) errors.push(invalid('spec.replicas', replicas, 'must be greater than or equal to 0'))
  if (errors.length > 0) throw invalidError(SCALE, name, errors)
}

export function scaleOf(object: KubeObject, paths: ScalePaths) {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const replicas = numberAt(object, paths.specReplicas)
  const selector = paths.selector(object)
  return {
    kind: SCALE.kind,
    apiVersion: `${SCALE.group}/${SCALE.version}`,
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: numberAt(object, paths.statusReplicas), ...(selector === '' ? {} : { selector }) }
  }
}

function numberAt(object: unknown, path: readonly string[]): number {
  let value = object
  for (const field of path) {
    value = typeof value === 'object' && value !== null ? (value as Json)[field] : undefined
  }
  return typeof value === 'number' ? value : 0
}

/** A copy with one field changed; what lies on the way to it is copied too. */
function withField(object: KubeObject, path: readonly string[], value: number): KubeObject {
  const [field = '', ...rest] = path
  const inner = (object[field] ?? {}) as KubeObject
  return { ...object, [field]: rest.length === 0 ? value : withField(inner, rest, value) }
}
