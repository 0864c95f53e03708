/** The way of a request: route, authenticate, act as, authorise, then the verb. Failures are answers. */
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, ApiResponse, Send, UserInfo } from '../../core/http.ts'
import { DEFINITIONS } from '../../core/kinds/definitions.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import type { KindTable } from '../../core/kinds/table.ts'
import { Metrics } from '../../core/metrics.ts'
import { errorAnswer, internalError, pageNotFound, payloadOf, warningHeader } from './answers.ts'
import { type AuditOptions, Trail } from './audit/trail.ts'
import { ANONYMOUS } from './authn.ts'
import { forbidden } from './authz.ts'
import { served } from './convert.ts'
import { Definitions, SELF } from './definitions.ts'
import { Discovery } from './discovery.ts'
import { methodNotAllowed, noSuchResource } from './failures.ts'
import { FairQueue, isOfSystem, SEATS, seatsFor } from './fair-queue.ts'
import { impersonate } from './impersonate.ts'
import { collectState, RequestMetrics } from './metrics.ts'
import { type Form, formOf, hasMessage, PROTOBUF } from './negotiate.ts'
import { Notes } from './notes.ts'
import { type Paths, plainPath } from './paths.ts'
import type { VirtualKind } from './reviews.ts'
import { type ResourceRoute, type Route, routeOf } from './route.ts'
import { binding } from './subresources/binding.ts'
import { SCALE, scaleTable } from './subresources/scale.ts'
import { includeObject, shaped } from './table.ts'
import { deprecation } from './traits.ts'
import type { ApiContext, Attributes, Authenticator, Peer, ResourceHandler, ResourceRequest } from './types.ts'
import { verbHandler, virtualVerb } from './verbs.ts'

export interface ApiOptions extends ApiContext {
  readonly kinds: readonly Kind[]
  /** Absent: everybody who comes over the wire is anonymous. */
  readonly authenticator?: Authenticator
  /** By name; they come beside, and before, the ones of subresources/. */
  readonly subresources?: Readonly<Record<string, ResourceHandler>>
  readonly virtuals?: readonly VirtualKind[]
  /** Further plain paths, as those of openid.ts. */
  readonly paths?: Paths
  /** Absent: nothing is audited. */
  readonly audit?: AuditOptions
  /** "host:port" by which clients reach the server, as /api tells them. */
  readonly address?: string
  /** Shared with whoever else runs in this process; /metrics shows it. */
  readonly metrics?: Metrics
}

export interface Api {
  /** The door in process: `request.user` says who asks. */
  readonly handle: Send
  /** The door of a transport: who asks is found out. */
  serve(request: ApiRequest, peer: Peer): Promise<ApiResponse>
  /** All that is served now, those of CustomResourceDefinitions too. */
  kinds(): Promise<readonly Kind[]>
}

export function createApi(options: ApiOptions): Api {
  const server = new Server(options)
  return {
    handle: (request) => server.answer(request, async () => request.user),
    serve: async (request, peer) => {
      const response = await server.answer(request, () => server.identify(request, peer), peer)
      return await encoded(request, response)
    },
    kinds: () => server.served()
  }
}

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

class Server {
  private readonly options: ApiOptions
  private readonly definitions: Definitions
  private known: Discovery | undefined
  private readonly metrics: RequestMetrics
  private readonly seats = new FairQueue(SEATS)
  /** Of nodes and the cluster's own parts, which must not wait for anybody else. */
  private readonly systemSeats = new FairQueue(SEATS)
  /** By the kind's storage. */
  private readonly virtuals: ReadonlyMap<string, ResourceHandler>

  constructor(options: ApiOptions) {
    const virtuals = options.virtuals ?? []
    this.options = options
    // The first row of a resource counts: those of the table, where it has them too.
    const rows = [...options.kinds, ...virtuals.map(({ kind }) => kind).filter(isNew(options.kinds))]
    const { metrics = new Metrics(), store, ports } = options
    this.definitions = new Definitions({
      store,
      ports,
      rows,
      send: (request) => this.answer(request, async () => request.user)
    })
    this.metrics = new RequestMetrics(metrics, ports.clock)
    collectState(metrics, { store, kinds: this.kinds, clock: ports.clock })
    const handlers = new Map(virtuals.map(({ kind, handler }) => [kind.storage, handler]))
    const pods = this.kinds.find('', 'v1', 'pods')
    if (pods !== undefined) handlers.set('bindings', (at, context) => binding({ ...at, kind: pods }, context))
    this.virtuals = handlers
  }

  private get kinds(): KindTable {
    return this.definitions.table
  }

  private get discovery(): Discovery {
    if (this.known?.kinds !== this.kinds) this.known = new Discovery(this.kinds, this.options.address)
    return this.known
  }

  async served(): Promise<readonly Kind[]> {
    await this.definitions.look(true)
    return this.kinds.all
  }

  /** `peer`: of one who comes over the wire, and takes a seat. */
  async answer(request: ApiRequest, identify: () => Promise<UserInfo | undefined>, peer?: Peer): Promise<ApiResponse> {
    const { audit } = this.options
    const route = routeOf(request)
    return await this.metrics.counted(request, route, async () => {
      if (audit === undefined) return await this.attempt(request, identify, { route, trail: undefined, peer })
      const trail = new Trail(audit, request, peer)
      return trail.finish(await this.attempt(request, identify, { route, trail, peer }))
    })
  }

  private async attempt(
    request: ApiRequest,
    identify: () => Promise<UserInfo | undefined>,
    { route, trail, peer }: { route: Route; trail: Trail | undefined; peer: Peer | undefined }
  ): Promise<ApiResponse> {
    try {
      const sender = (await identify()) ?? ANONYMOUS
      trail?.begin(attributesOf(request, sender, route))
      const user = isActingAs(request) ? await impersonate(request, sender, this.options.authorizer) : sender
      if (user !== sender) trail?.actsAs(user)
      const attributes = attributesOf(request, user, route)
      const { allowed, reason } = await this.options.authorizer.authorize(attributes)
      trail?.authorized(allowed, reason)
      if (!allowed) throw forbidden(attributes, reason)
      const seats = peer === undefined ? 0 : seatsFor(attributes)
      if (seats === 0) return await this.dispatch(request, { user, route, trail })
      const { username } = user
      const queue = isOfSystem(user) ? this.systemSeats : this.seats
      const wait = queue.enter(username, seats)
      if (wait !== undefined) await wait
      try {
        return await this.dispatch(request, { user, route, trail })
      } finally {
        queue.leave(username, seats)
      }
    } catch (error) {
      return this.failed(error, request)
    }
  }

  private failed(error: unknown, { method, path }: ApiRequest): ApiResponse {
    if (error instanceof ApiError) return errorAnswer(error)
    this.options.ports.log.error({ error, method, path }, 'a request failed')
    return errorAnswer(internalError(error))
  }

  async identify(request: ApiRequest, peer: Peer): Promise<UserInfo | undefined> {
    return await this.options.authenticator?.authenticate(request, peer)
  }

  private async dispatch(
    request: ApiRequest,
    { user, route, trail }: { user: UserInfo; route: Route; trail: Trail | undefined }
  ): Promise<ApiResponse> {
    const { resource } = route
    if (resource === undefined) {
      if (request.path.startsWith('/api') || request.path.startsWith('/openapi')) await this.definitions.look(true)
      const { discovery, metrics } = this
      const { paths = {}, store, ports } = this.options
      const response = plainPath(request, { discovery, metrics, paths, user, store, clock: ports.clock })
      return (await response) ?? pageNotFound()
    }
    if (this.definitions.isOpen(resource.group)) await this.definitions.look(!this.isServed(resource))
    if (!this.isServed(resource)) {
      if (!this.definitions.isOpen(resource.group) && this.discovery.hasGroup(resource.group)) throw noSuchResource()
      return pageNotFound()
    }
    const old =
      deprecation(resource) ?? this.kinds.find(resource.group, resource.version, resource.resource)?.custom?.deprecation
    const asked = { user, route: resource, verb: route.verb, notes: trail?.notes ?? new Notes() }
    if (old === undefined) return await this.resource(named(request, route), asked)
    // Who asks for something old is told so, whatever the answer.
    return withWarning(
      old,
      await this.resource(named(request, route), asked).catch((error) => this.failed(error, request))
    )
  }

  private isServed(at: ResourceRoute): boolean {
    return this.kinds.ofVersion(apiVersionOf(at)).length > 0
  }

  private async resource(
    request: ApiRequest,
    { user, route, verb, notes }: { user: UserInfo; route: ResourceRoute; verb: string; notes: Notes }
  ): Promise<ApiResponse> {
    const kind = this.kinds.find(route.group, route.version, route.resource)
    if (kind === undefined || !fits(kind, route)) {
      // Where definitions add to a group, Kubernetes leaves what is not there to a handler of plain paths.
      if (this.definitions.isOpen(route.group)) return pageNotFound()
      throw noSuchResource()
    }
    // RBAC takes it for a GET, but no resource answers it, only what lies behind one.
    if (request.method === 'HEAD' && route.subresource !== 'proxy') throw methodNotAllowed()
    const protobuf = hasMessage(kind)
    const { accept } = route.subresource === 'proxy' ? {} : request.headers
    const form = formOf(accept, { streams: route.name === undefined, protobuf })
    const { name, subresource } = route
    const namespace = kind.namespaced ? route.namespace : undefined
    const at: ResourceRequest = { request, user, kind, namespace, name, subresource, notes }
    const virtual = this.virtuals.get(kind.storage)
    const handler = virtual === undefined ? verbHandler(at, verb, this.options) : virtualVerb(at, verb, virtual)
    if (handler === undefined) throw methodNotAllowed()
    const context = kind.custom?.webhook === undefined ? served(kind, this.options) : await this.converted(kind)
    const response = await this.noted(notes, request, () => handler(at, context))
    if (WRITES.has(request.method) && user !== SELF && this.concerns(kind)) await this.settle()
    return this.shape(request, response, { form, kind })
  }

  /** What was written is written, whatever becomes of what follows from it: the next look tries again. */
  private async settle(): Promise<void> {
    try {
      await this.definitions.settle()
    } catch (error) {
      this.options.ports.log.error({ error }, 'definitions of resources could not be brought up to date')
    }
  }

  /** Whether a write may have made something of a definition: that of one, or the end of one's last instances. */
  private concerns(kind: Kind): boolean {
    return kind.storage === DEFINITIONS || kind.custom?.terminating === true
  }

  private async converted(kind: Kind): Promise<ApiContext> {
    const { convertedByWebhook } = await import('./conversion.ts')
    return convertedByWebhook(kind, this.options)
  }

  /** The answer, be it a failure, with the warnings that were noted on its way. */
  private async noted(notes: Notes, request: ApiRequest, handle: () => Promise<ApiResponse>): Promise<ApiResponse> {
    let response: ApiResponse
    try {
      response = await handle()
    } catch (error) {
      if (notes.header() === undefined) throw error
      response = this.failed(error, request)
    }
    const header = notes.header()
    return header === undefined ? response : withHeader(response, [response.headers.warning, header])
  }

  /** Tables and metadata of what would have been answered whole. */
  private shape(request: ApiRequest, response: ApiResponse, { form, kind }: { form: Form; kind: Kind }): ApiResponse {
    if (form.shape === 'whole' || !('payload' in response.body) || response.status >= 300) return response
    const { payload } = response.body
    const { kind: what } = payload.value as { kind?: unknown }
    const shown = what === SCALE.kind ? scaleTable(kind) : kind
    if (what !== shown.kind && what !== shown.listKind) return response
    if (form.wants !== undefined) checkWanted(form.wants, kind, what === kind.listKind)
    const include = form.shape === 'table' ? includeObject(request.query) : 'Metadata'
    const options = { now: this.options.ports.clock.now(), include, version: form.version } as const
    return { ...response, body: { payload: shaped(form.shape, shown, { payload, ...options }) } }
  }
}

/** The old path .../watch/pods/NAME is a watch of the collection, of that name only. */
function named(request: ApiRequest, { watched }: Route): ApiRequest {
  if (watched === undefined) return request
  const query = new URLSearchParams(request.query)
  query.set('fieldSelector', `metadata.name=${watched}`)
  const { method, path, headers, signal } = request
  return { method, path, headers, query, ...(signal === undefined ? {} : { signal }) }
}

function isActingAs({ headers }: ApiRequest): boolean {
  for (const name in headers) if (name.startsWith('impersonate-')) return true
  return false
}

function withWarning(text: string, response: ApiResponse): ApiResponse {
  return withHeader(response, [warningHeader([text]).warning, response.headers.warning])
}

function withHeader(response: ApiResponse, warnings: readonly (string | undefined)[]): ApiResponse {
  const warning = warnings.filter((one) => one !== undefined && one !== '').join(', ')
  return { ...response, headers: { ...response.headers, warning } }
}

function isNew(kinds: readonly Kind[]): (kind: Kind) => boolean {
  const known = new Set(kinds.map(({ storage }) => storage))
  return ({ storage }) => !known.has(storage)
}

function checkWanted(wants: 'object' | 'list', kind: Kind, isList: boolean): void {
  if (isList === (wants === 'list')) return
  const internal = kind.group === '' ? 'core' : kind.group.split('.')[0]
  const message = isList
    ? `you requested PartialObjectMetadata, but the requested object is a list (*${internal}.${kind.listKind})`
    : `you requested PartialObjectMetadataList, but the requested object is not a list (*${internal}.${kind.kind})`
  throw new ApiError('NotAcceptable', message)
}

function attributesOf(request: ApiRequest, user: UserInfo, { verb, resource }: Route): Attributes {
  if (resource === undefined) return { user, verb, path: request.path }
  const { group, version, subresource, namespace } = resource
  const fieldSelector = request.query.get('fieldSelector')
  const index = request.query.get('wherryIndex')
  const name = resource.name ?? selectedName(fieldSelector)
  return {
    user,
    verb,
    resource: {
      group,
      version,
      resource: resource.resource,
      ...(subresource === undefined ? {} : { subresource }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
      ...(fieldSelector === null ? {} : { fieldSelector }),
      ...(index === null ? {} : { index })
    }
  }
}

/** A list or watch of one name counts as asking for that object. */
function selectedName(fieldSelector: string | null): string | undefined {
  return fieldSelector === null ? undefined : /^metadata\.name==?([^,=\\]+)$/.exec(fieldSelector)?.[1]
}

/** Whether Kubernetes has a path of this form for the kind at all. */
function fits(kind: Kind, { scoped, namespace, name, subresource, rest }: ResourceRoute): boolean {
  if (rest.length > 0 && subresource !== 'proxy') return false
  if (!kind.namespaced) return !scoped
  return scoped ? namespace !== '' : name === undefined
}

/** Over the wire: as protobuf or YAML, or indented, where the client asked for it. */
async function encoded(request: ApiRequest, response: ApiResponse): Promise<ApiResponse> {
  const { accept } = request.headers
  const { pretty, media } = wantedForm(request.query, accept)
  if (media === 'protobuf') return await inProtobuf(response)
  if (!('payload' in response.body)) return response
  const { value } = response.body.payload
  if (pretty && media === 'json') {
    const bytes = Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
    return { ...response, body: { payload: { value, bytes: () => bytes } } }
  }
  if (media !== 'yaml') return response
  const { stringify } = await import('yaml')
  const bytes = Buffer.from(
    stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, sortMapEntries: true, indentSeq: false })
  )
  return {
    ...response,
    headers: { ...response.headers, 'content-type': 'application/yaml' },
    body: { payload: { ...payloadOf(value), bytes: () => bytes } }
  }
}

function wantedForm(query: URLSearchParams, accept: string | undefined): { pretty: boolean; media: Form['media'] } {
  const pretty = query.size > 0 && (query.get('pretty') === 'true' || query.get('pretty') === '1')
  if (accept === undefined || !(accept.includes('yaml') || accept.includes('protobuf')))
    return { pretty, media: 'json' }
  try {
    return { pretty, media: formOf(accept, { streams: false }).media }
  } catch {
    return { pretty, media: 'json' }
  }
}

/** What has no message stays as it is: custom resources, OpenAPI, texts. */
async function inProtobuf(response: ApiResponse): Promise<ApiResponse> {
  const { headers, body } = response
  if (!('payload' in body) || headers['content-type'] !== 'application/json') return response
  const { protobufOf } = await import('./protobuf-encode.ts')
  const bytes = protobufOf(body.payload)
  if (bytes === undefined) return response
  return {
    ...response,
    headers: { ...headers, 'content-type': PROTOBUF },
    body: { payload: { ...payloadOf(undefined), bytes: () => bytes } }
  }
}
