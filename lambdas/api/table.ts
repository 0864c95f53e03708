/** Answers as kubectl wants them: rows of a table, or metadata only. */
import type { Payload } from '../../core/http.ts'
import type { Cell, Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import { payloadOf } from './answers.ts'
import { badRequest } from './failures.ts'
import type { Shape } from './negotiate.ts'

const META = 'meta.k8s.io/v1'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

export interface TableOptions {
  /** Milliseconds since 1970, for ages. */
  readonly now: number
  readonly include: IncludeObject
  /** The version that the client asked for; default v1. */
  readonly version?: string
  /** Without column definitions: all events of a watch but the first. */
  readonly noHeaders?: boolean
}

interface ListValue {
  readonly metadata: Readonly<Record<string, unknown>>
  readonly items: readonly KubeObject[]
}

export function includeObject(query: URLSearchParams): IncludeObject {
  const include = query.get('includeObject') ?? ''
  if (include === '' || include === 'Metadata') return 'Metadata'
  if (include === 'None' || include === 'Object') return include
  const why = `Invalid value: ${JSON.stringify(include)}: must be 'Metadata', 'Object', 'None', or empty`
  throw badRequest(`Unable to convert to Table as requested: includeObject: ${why}`)
}

/** The answer's object or list in another shape. */
export function shaped(shape: Exclude<Shape, 'whole'>, kind: Kind, of: { payload: Payload } & TableOptions): Payload {
  const { value } = of.payload
  const items = isList(kind, value) ? value.items : undefined
  if (shape === 'table') {
    const objects = items ?? [value as KubeObject]
    const { metadata } = value as { metadata: Readonly<Record<string, unknown>> }
    return payloadOf(table(kind, objects, { ...of, metadata: items === undefined ? versionOf(metadata) : metadata }))
  }
  if (items === undefined) return payloadOf(metadataOnly(value as KubeObject))
  const { metadata } = value as ListValue
  return payloadOf({
    kind: 'PartialObjectMetadataList',
    apiVersion: META,
    metadata,
    items: items.length === 0 ? null : items.map(metadataOnly)
  })
}

function isList(kind: Kind, value: unknown): value is ListValue {
  return (value as { kind?: unknown }).kind === kind.listKind
}

function versionOf(metadata: Readonly<Record<string, unknown>>) {
  return metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }
}

export function metadataOnly({ metadata }: KubeObject): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: META, metadata }
}

export function table(
  kind: Kind,
  objects: readonly KubeObject[],
  options: TableOptions & { metadata: Readonly<Record<string, unknown>> }
): KubeObject {
  const cells = kind.rules.cells ?? defaultCells
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version ?? 'v1'}`,
    metadata: options.metadata,
    columnDefinitions: options.noHeaders === true ? null : kind.columns,
    rows: objects.map((object) => {
      const row = { cells: cells(object, options.now), ...conditions(kind, object) }
      switch (options.include) {
        case 'None':
          return { ...row, object: null }
        case 'Metadata':
          return { ...row, object: metadataOnly(object) }
        case 'Object':
          return { ...row, object }
      }
      return row
    })
  }
}

function defaultCells(object: KubeObject): Cell[] {
  return [object.metadata.name ?? '', object.metadata.creationTimestamp ?? null]
}

/** kubectl leaves out, or greys, pods that have ended. */
function conditions(kind: Kind, object: KubeObject): { conditions?: readonly object[] } {
  if (kind.storage !== 'pods') return {}
  const { phase } = (object.status ?? {}) as { phase?: string }
  if (phase !== 'Succeeded' && phase !== 'Failed') return {}
  const message = phase === 'Succeeded' ? 'The pod has completed successfully.' : 'The pod failed.'
  return { conditions: [{ type: 'Completed', status: 'True', reason: phase, message }] }
}
