/** In which form a client wants its answer (Accept). */
import { ApiError } from '../../core/errors.ts'

/** A Table for kubectl, or metadata only, of what would have been the answer. */
export type Shape = 'whole' | 'table' | 'metadata'

export interface Form {
  readonly media: 'json' | 'yaml'
  readonly shape: Shape
}

const PLAIN: Form = { media: 'json', shape: 'whole' }
const MEDIA: Readonly<Record<string, Form['media']>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/*': 'json',
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
  const offered = (streams ? [...BASIC, ...STREAMS] : BASIC).join(', ')
  throw new ApiError('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${offered}`, { details: {} })
}

function negotiate(accept: string): Form | undefined {
  const clauses = accept.split(',').map(parseClause)
  for (const { type, parameters } of clauses.toSorted((a, b) => b.weight - a.weight)) {
    const media = Object.hasOwn(MEDIA, type) ? MEDIA[type] : undefined
    if (media === undefined) continue
    const as = parameters.get('as')
    if (as === undefined) return { media, shape: 'whole' }
    if (Object.hasOwn(SHAPES, as) && parameters.get('g') === 'meta.k8s.io' && goodVersion(parameters.get('v'))) {
      return { media, shape: SHAPES[as] ?? 'whole' }
    }
  }
  return undefined
}

function goodVersion(version: string | undefined): boolean {
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
