/** In which form a client wants its answer (Accept). */
import { ApiError } from '../../core/errors.ts'

/** A Table for kubectl, or metadata only, of what would have been the answer. */
export type Shape = 'whole' | 'table' | 'metadata'

export interface Form {
  readonly media: 'json' | 'yaml' | 'protobuf'
  readonly shape: Shape
  /** Of a table, as asked: v1 or v1beta1. */
  readonly version: string
  /** The client named an object or a list (PartialObjectMetadata, PartialObjectMetadataList). */
  readonly wants?: 'object' | 'list' | undefined
}

const PLAIN: Form = { media: 'json', shape: 'whole', version: 'v1' }
export const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const MEDIA: Readonly<Record<string, Form['media']>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  [PROTOBUF]: 'protobuf',
  '*/*': 'json'
}
const SHAPES: Readonly<Record<string, Shape>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata'
}
const TEXTS = ['application/json', 'application/yaml']
const OFFERED = {
  all: {
    one: [...TEXTS, PROTOBUF],
    streams: [...TEXTS, PROTOBUF, 'application/json;stream=watch', `${PROTOBUF};stream=watch`]
  },
  texts: { one: TEXTS, streams: [...TEXTS, 'application/json;stream=watch'] }
}

export interface Offer {
  /** The path also offers watches, which Kubernetes names in its refusal. */
  readonly streams: boolean
  /** Custom resources have no protobuf. Default: there is. */
  readonly protobuf?: boolean
}

/** Clients send few different headers, and the same ones for ever. */
const known = { all: new Map<string, Form | null>(), texts: new Map<string, Form | null>() }
const MOST_KNOWN = 200

/** Throws NotAcceptable. */
export function formOf(accept: string | undefined, { streams, protobuf = true }: Offer): Form {
  if (accept === undefined || accept === '' || accept === 'application/json') return PLAIN
  const which = protobuf ? 'all' : 'texts'
  let form = known[which].get(accept)
  if (form === undefined) {
    form = negotiate(accept, protobuf) ?? null
    if (known[which].size >= MOST_KNOWN) known[which].clear()
    known[which].set(accept, form)
  }
  if (form !== null) return form
  // The type would do, but not what its parameters ask for.
  const offered = OFFERED[which]
  if (offered.one.some((type) => accept.includes(type))) {
    throw new ApiError('NotAcceptable', `only the following media types are accepted: ${offered.one.join(', ')}`)
  }
  const all = (streams ? offered.streams : offered.one).join(', ')
  throw new ApiError('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${all}`, { details: {} })
}

function negotiate(accept: string, protobuf: boolean): Form | undefined {
  const clauses = accept.split(',').map(parseClause)
  for (const { type, parameters } of clauses.toSorted((a, b) => b.weight - a.weight)) {
    const media = Object.hasOwn(MEDIA, type) ? MEDIA[type] : undefined
    if (media === undefined || (media === 'protobuf' && !protobuf)) continue
    const as = parameters.get('as')
    if (as === undefined) return { ...PLAIN, media }
    // There is no message for a table.
    if (as === 'Table' && media === 'protobuf') continue
    const version = parameters.get('v') ?? ''
    if (Object.hasOwn(SHAPES, as) && parameters.get('g') === 'meta.k8s.io' && isVersion(version)) {
      const wants = as === 'Table' ? undefined : as === 'PartialObjectMetadata' ? 'object' : 'list'
      return { media, shape: SHAPES[as] ?? 'whole', version, wants }
    }
  }
  return undefined
}

/** A watch has no form in YAML. Throws NotAcceptable. */
export function checkStream({ media }: Form, protobuf: boolean): void {
  if (media !== 'yaml') return
  const all = OFFERED[protobuf ? 'all' : 'texts'].streams.filter((type) => type.endsWith('stream=watch')).join(', ')
  throw new ApiError('NotAcceptable', `only the following media types are accepted: ${all}`)
}

/** Protobuf is for the kinds that Kubernetes has built in. */
export function hasMessage({ schema }: { readonly schema: string }): boolean {
  return schema.startsWith('io.k8s.')
}

function isVersion(version: string): boolean {
  return version === 'v1' || version === 'v1beta1'
}

function parseClause(clause: string) {
  const [type = '', ...rest] = clause.split(';').map((part) => part.trim())
  const parameters = new Map(
    rest.map((part): [string, string] => {
      const at = part.indexOf('=')
      return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)]
    })
  )
  const weight = Number(parameters.get('q') ?? '1')
  return { type: type.toLowerCase(), parameters, weight: Number.isFinite(weight) ? weight : 0 }
}
