/** In which form a client wants its answer (Accept). */
import { ApiError } from '../../core/errors.ts'

/** A Table for kubectl, or metadata only, of what would have been the answer. */
export type Shape = 'whole' | 'table' | 'metadata'

export interface Form {
  readonly media: 'json' | 'yaml'
  readonly shape: Shape
  /** Of a table, as asked: v1 or v1beta1. */
  readonly version: string
  /** The client named an object or a list (PartialObjectMetadata, PartialObjectMetadataList). */
  readonly wants?: 'object' | 'list' | undefined
}

const PLAIN: Form = { media: 'json', shape: 'whole', version: 'v1' }
const MEDIA: Readonly<Record<string, Form['media']>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  '*/*': 'json'
}
const SHAPES: Readonly<Record<string, Shape>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata'
}
const BASIC = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const STREAMS = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']

/** Clients send few different headers, and the same ones for ever. */
const known = new Map<string, Form | null>()
const MOST_KNOWN = 200

/** `streams`: whether the path also offers watches, which Kubernetes names in its refusal. Throws NotAcceptable. */
export function formOf(accept: string | undefined, streams: boolean): Form {
  if (accept === undefined || accept === '' || accept === 'application/json') return PLAIN
  let form = known.get(accept)
  if (form === undefined) {
    form = negotiate(accept) ?? null
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(accept, form)
  }
  if (form !== null) return form
  // The type would do, but not what its parameters ask for.
  if (accept.includes('application/json') || accept.includes('application/yaml')) {
    throw new ApiError('NotAcceptable', `only the following media types are accepted: ${BASIC.join(', ')}`)
  }
  const offered = (streams ? [...BASIC, ...STREAMS] : BASIC).join(', ')
  throw new ApiError('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${offered}`, { details: {} })
}

function negotiate(accept: string): Form | undefined {
  const clauses = accept.split(',').map(parseClause)
  for (const { type, parameters } of clauses.toSorted((a, b) => b.weight - a.weight)) {
    const media = Object.hasOwn(MEDIA, type) ? MEDIA[type] : undefined
    if (media === undefined) continue
    const as = parameters.get('as')
    if (as === undefined) return { ...PLAIN, media }
    const version = parameters.get('v') ?? ''
    if (Object.hasOwn(SHAPES, as) && parameters.get('g') === 'meta.k8s.io' && isVersion(version)) {
      const wants = as === 'Table' ? undefined : as === 'PartialObjectMetadata' ? 'object' : 'list'
      return { media, shape: SHAPES[as] ?? 'whole', version, wants }
    }
  }
  return undefined
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
