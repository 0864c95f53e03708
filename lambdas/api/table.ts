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
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(include)}`)
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
  return payloadOf({ kind: 'PartialObjectMetadataList', apiVersion: META, metadata, items: items.map(metadataOnly) })
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
    apiVersion: META,
    metadata: options.metadata,
    columnDefinitions: options.noHeaders === true ? null : kind.columns,
    rows: objects.map((object) => {
      const row = { cells: cells(object, options.now) }
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
