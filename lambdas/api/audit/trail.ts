/** What the audit log tells of one request (audit.k8s.io/v1 Event), stage by stage. */
import type { ApiRequest, ApiResponse, UserInfo } from '../../../core/http.ts'
import { isObject, type JsonObject } from '../../../core/json.ts'
import { microTimestamp, type Ports } from '../../../core/ports.ts'
import { Notes } from '../notes.ts'
import type { Attributes, Peer } from '../types.ts'
import { type AuditPolicy, type Decision, decide, LEVELS, type Level, type Stage } from './policy.ts'

export interface AuditOptions {
  readonly policy: AuditPolicy
  readonly ports: Ports
  /** Takes one event as a line of JSON, without its newline. */
  readonly write: (line: string) => void
}

const STREAMS = ['watch', 'stream'] as const

/** One request's way through the log. */
export class Trail {
  /** What admission has to say of it goes into the event. */
  readonly notes = new Notes()
  readonly id: string
  private readonly options: AuditOptions
  private readonly request: ApiRequest
  private readonly peer: Peer | undefined
  private readonly received: string
  private decision: Decision | undefined
  private attributes: Attributes | undefined
  private impersonated: UserInfo | undefined

  constructor(options: AuditOptions, request: ApiRequest, peer: Peer | undefined) {
    const { clock, ids } = options.ports
    this.options = options
    this.request = request
    this.peer = peer
    this.id = request.headers['audit-id'] ?? ids.uid()
    this.received = microTimestamp(clock.now())
  }

  /** Who asks for what is known. */
  begin(attributes: Attributes): void {
    this.attributes = attributes
    this.decision = decide(this.options.policy, attributes)
    this.tell('RequestReceived')
  }

  actsAs(user: UserInfo): void {
    this.impersonated = user
  }

  authorized(allowed: boolean, reason: string): void {
    this.notes.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid')
    this.notes.annotate('authorization.k8s.io/reason', reason)
  }

  /** The answer as it goes out; one that streams is told of when it ends. */
  finish(response: ApiResponse): ApiResponse {
    // Refused before anybody knew who asks.
    this.decision ??= { level: 'Metadata', omitted: new Set(), omitManagedFields: false }
    const answer = { ...response, headers: { ...response.headers, 'audit-id': this.id } }
    const { body } = response
    const kind = STREAMS.find((one) => one in body)
    if (kind === undefined) {
      this.tell('ResponseComplete', response)
      return answer
    }
    this.tell('ResponseStarted', response)
    const complete = () => this.tell('ResponseComplete', response)
    if ('watch' in body) return { ...answer, body: { watch: untilEnd(body.watch, complete) } }
    if ('stream' in body) return { ...answer, body: { stream: untilEnd(body.stream, complete) } }
    return answer
  }

  private tell(stage: Stage, response?: ApiResponse): void {
    const { decision } = this
    if (decision === undefined || decision.level === 'None' || decision.omitted.has(stage)) return
    this.options.write(JSON.stringify(this.event(stage, decision, response)))
  }

  private event(stage: Stage, { level, omitManagedFields }: Decision, response: ApiResponse | undefined) {
    const { request, attributes, impersonated } = this
    const query = request.query.toString()
    const annotations = response === undefined ? undefined : this.notes.annotations
    const shown = (value: unknown) => (omitManagedFields ? withoutManagedFields(value) : value)
    const asked = atLeast(level, 'Request') || request.method === 'POST' ? requestValue(request) : undefined
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: this.id,
      stage,
      requestURI: query === '' ? request.path : `${request.path}?${query}`,
      verb: attributes?.verb ?? request.method.toLowerCase(),
      user: userObject(attributes?.user),
      ...(impersonated === undefined ? {} : { impersonatedUser: userObject(impersonated) }),
      ...(this.peer?.address === undefined ? {} : { sourceIPs: [this.peer.address] }),
      ...(request.headers['user-agent'] === undefined ? {} : { userAgent: request.headers['user-agent'] }),
      ...objectRef(attributes, response === undefined ? undefined : asked),
      ...(response === undefined ? {} : { responseStatus: statusOf(response) }),
      ...(response === undefined || asked === undefined || !atLeast(level, 'Request')
        ? {}
        : { requestObject: shown(asked) }),
      ...(response !== undefined && level === 'RequestResponse' && 'payload' in response.body
        ? { responseObject: shown(response.body.payload.value) }
        : {}),
      requestReceivedTimestamp: this.received,
      stageTimestamp: microTimestamp(this.options.ports.clock.now()),
      ...(annotations === undefined ? {} : { annotations: Object.fromEntries(annotations) })
    }
  }
}

async function* untilEnd<T>(parts: AsyncIterable<T>, ended: () => void): AsyncGenerator<T> {
  try {
    yield* parts
  } finally {
    ended()
  }
}

function atLeast(level: Level, wanted: Level): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(wanted)
}

function userObject(user: UserInfo | undefined): JsonObject {
  if (user === undefined) return {}
  const { username, uid, groups, extra } = user
  return {
    username,
    ...(uid === undefined || uid === '' ? {} : { uid }),
    ...(groups.length === 0 ? {} : { groups }),
    ...(extra === undefined || Object.keys(extra).length === 0 ? {} : { extra })
  }
}

function objectRef(attributes: Attributes | undefined, asked: unknown): JsonObject {
  const resource = attributes?.resource
  if (resource === undefined) return {}
  const { group, version, subresource } = resource
  const metadata = isObject(asked) && isObject(asked.metadata) ? asked.metadata : {}
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  const fields = {
    resource: resource.resource,
    namespace: resource.namespace ?? text(metadata.namespace),
    name: resource.name ?? text(metadata.name),
    uid: text(metadata.uid),
    apiGroup: text(group),
    apiVersion: version,
    resourceVersion: text(metadata.resourceVersion),
    subresource
  }
  return { objectRef: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) }
}

function statusOf(response: ApiResponse): JsonObject {
  const value = 'payload' in response.body ? response.body.payload.value : undefined
  const code = response.status
  if (!isObject(value) || value.kind !== 'Status') return { metadata: {}, code }
  const { status, message, reason, details } = value
  return {
    metadata: {},
    ...(status === undefined ? {} : { status }),
    ...(message === undefined ? {} : { message }),
    ...(reason === undefined ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code
  }
}

/** The body as JSON; undefined where it is none, or in another form. */
function requestValue({ body }: ApiRequest): unknown {
  if (body === undefined) return undefined
  if ('value' in body) return body.value
  try {
    return JSON.parse(Buffer.from(body.bytes).toString()) as unknown
  } catch {
    return undefined
  }
}

function withoutManagedFields(value: unknown): unknown {
  if (!isObject(value)) return value
  const items = Array.isArray(value.items) ? { items: value.items.map(withoutManagedFields) } : {}
  if (!isObject(value.metadata)) return { ...value, ...items }
  const { managedFields: _, ...metadata } = value.metadata
  return { ...value, metadata, ...items }
}
