/** GET, PUT and PATCH .../scale: the replicas of anything that has some, as one kind of object. */

import { age } from '../../../core/duration.ts'
import type { FieldError } from '../../../core/errors.ts'
import { invalid, invalidError } from '../../../core/field-errors.ts'
import type { ApiResponse } from '../../../core/http.ts'
import type { Cell, Column, Kind, ScalePaths } from '../../../core/kinds/kind.ts'
import type { KubeObject } from '../../../core/object.ts'
import { decode } from '../../../core/validate.ts'
import { valueAnswer, warningHeader } from '../answers.ts'
import { bodyOf, readObject } from '../body.ts'
import { copyJson } from '../copy.ts'
import { decoding } from '../create.ts'
import { methodNotAllowed, noSuchResource, notFound } from '../failures.ts'
import { writeOptions } from '../options.ts'
import { patcherOf } from '../patch.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'
import { changeObject, checkName, checkUid, storeKey, wholePath } from '../update.ts'

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
      return valueAnswer(200, scaleOf(entry.value, paths))
    }
    case 'PUT': {
      const body = await bodyOf(at.request)
      const options = writeOptions(at.request.query, 'UpdateOptions')
      const { object, warnings } = decode(SCALE, readObject(body, SCALE), decoding(options, body))
      checkName(object, at)
      return await change(at, context, {
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
  const patcher = patcherOf(at.request)
  const options = writeOptions(at.request.query, 'PatchOptions')
  let warnings: readonly string[] = []
  const next = async (old: KubeObject) => {
    const patched = await patcher.apply(patchable(old, paths), SCALE.schema)
    const decoded = decode(SCALE, patched, decoding(options, patcher))
    warnings = decoded.warnings
    return decoded.object
  }
  return await change(at, context, { paths, dryRun: options.dryRun, warnings: () => warnings, next })
}

/** Zero replicas are not shown, but a patch may replace them. */
function patchable(object: KubeObject, paths: ScalePaths): Json {
  return { ...scaleOf(object, paths), spec: { replicas: numberAt(object, paths.specReplicas) } }
}

interface ScaleChange {
  readonly paths: ScalePaths
  readonly dryRun: boolean
  readonly warnings: () => readonly string[]
  readonly next: (old: KubeObject) => Promise<KubeObject>
}

async function change(at: ResourceRequest, context: ApiContext, how: ScaleChange): Promise<ApiResponse> {
  const { paths } = how
  const path = wholePath(at.kind)
  const payload = await changeObject(at, context, {
    path: { ...path, validate: () => [] },
    dryRun: how.dryRun,
    produce: async ({ value: old }) => {
      const asked = await how.next(old)
      const replicas = ((asked.spec ?? {}) as { replicas?: number }).replicas ?? 0
      checkReplicas(at.name ?? '', replicas)
      checkUid(asked, { kind: at.kind, key: storeKey(at), uid: old.metadata.uid ?? '' })
      const metadata = { ...old.metadata, resourceVersion: asked.metadata.resourceVersion ?? '' }
      return withField(copyJson({ ...old, metadata }), paths.specReplicas, replicas)
    }
  })
  return valueAnswer(200, scaleOf(payload.value as KubeObject, paths), warningHeader(how.warnings()))
}

function checkReplicas(name: string, replicas: number): void {
  const errors: FieldError[] = []
  if (replicas < 0) errors.push(invalid('spec.replicas', replicas, 'must be greater than or equal to 0'))
  if (errors.length > 0) throw invalidError(SCALE, name, errors)
}

function scaleOf(object: KubeObject, paths: ScalePaths) {
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
