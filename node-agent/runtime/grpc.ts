/** gRPC to a container runtime: connections, errors in Go's words, and containerd's stream of ended containers. */
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Ports } from '../../core/ports.ts'
import { RuntimeError, type RuntimeEvent } from './runtime.ts'

/** Longer than any call but those that wait for a container or a registry. */
export const CALL_MS = 120_000
/** How long to wait before subscribing to events again. */
const RESUBSCRIBE_MS = 200

/** Calls one method of a service; throws RuntimeError. */
export type Call = <T>(method: string, request: object, deadlineMs?: number) => Promise<T>

const OPTIONS: grpc.ClientOptions = {
  'grpc.max_receive_message_length': 64 << 20,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500
}

/** The runtime and image services behind one socket, which need not answer yet. */
export function connectServices(socket: string, ports: Ports): { runtime: Call; images: Call; close(): void } {
  const { RuntimeService, ImageService } = loadPackage('cri.proto').runtime.v1
  const runtime = new RuntimeService(`unix://${socket}`, grpc.credentials.createInsecure(), OPTIONS)
  const images = new ImageService(`unix://${socket}`, grpc.credentials.createInsecure(), OPTIONS)
  return {
    runtime: caller(runtime, ports),
    images: caller(images, ports),
    close: () => {
      runtime.close()
      images.close()
    }
  }
}

interface Subscription {
  readonly socket: string
  readonly listener: (event: RuntimeEvent) => void
  readonly closed: AbortSignal
  readonly ports: Ports
}

/** After each break the listener hears of id '': anything may have changed meanwhile. */
export function subscribeToExits(subscription: Subscription): () => void {
  const { socket, listener, closed, ports } = subscription
  const { Events, TaskExit } = loadPackage('events.proto').containerd.services.events.v1
  const client = new Events(`unix://${socket}`, grpc.credentials.createInsecure(), OPTIONS)
  let stopped = false
  let stream: grpc.ClientReadableStream<WireEnvelope> | undefined

  const open = () => {
    if (stopped || closed.aborted) return
    const current = client.Subscribe({ filters: ['topic=="/tasks/exit"'] })
    stream = current
    current.on('data', (envelope: WireEnvelope) => {
      const event = TaskExit.deserialize(envelope.event?.value ?? Buffer.alloc(0))
      // Commands that probes run in a container end too.
      if (event.id === event.container_id) listener({ id: event.id })
    })
    current.on('metadata', () => listener({ id: '' }))
    current.on('error', () => ports.clock.after(RESUBSCRIBE_MS, open))
    current.on('end', () => {})
  }
  const stop = () => {
    stopped = true
    stream?.cancel()
    client.close()
  }
  closed.addEventListener('abort', stop, { once: true })
  open()
  return stop
}

interface WireEnvelope {
  readonly topic: string
  readonly event: { readonly value: Buffer } | null
}

interface GrpcClient {
  [method: string]: (
    request: object,
    options: { deadline: number },
    callback: (error: grpc.ServiceError | null, answer: unknown) => void
  ) => void
}
interface EventsClient {
  Subscribe(request: object): grpc.ClientReadableStream<WireEnvelope>
  close(): void
}
type ClientClass<T> = new (target: string, credentials: grpc.ChannelCredentials, options: grpc.ClientOptions) => T
interface Packages {
  readonly runtime: {
    readonly v1: Record<'RuntimeService' | 'ImageService', ClientClass<GrpcClient & { close(): void }>>
  }
  readonly containerd: {
    readonly services: {
      readonly events: {
        readonly v1: {
          readonly Events: ClientClass<EventsClient>
          readonly TaskExit: { deserialize(bytes: Buffer): { readonly container_id: string; readonly id: string } }
        }
      }
    }
  }
}

const loaded = new Map<string, Packages>()

function loadPackage(file: string): Packages {
  const known = loaded.get(file)
  if (known !== undefined) return known
  const path = fileURLToPath(new URL(file, import.meta.url))
  // Nanoseconds do not fit a number: 64-bit fields come as text.
  const definition = loadSync(path, { keepCase: true, longs: String, enums: String, defaults: true })
  const root = grpc.loadPackageDefinition(definition) as unknown as Packages
  const taskExit = definition['containerd.services.events.v1.TaskExit'] as { deserialize?: unknown } | undefined
  if (taskExit?.deserialize !== undefined) Object.assign(root.containerd.services.events.v1, { TaskExit: taskExit })
  loaded.set(file, root)
  return root
}

function caller(client: GrpcClient, ports: Ports): Call {
  return <T>(method: string, request: object, deadlineMs = CALL_MS) =>
    new Promise<T>((resolve, reject) => {
      const invoke = client[method]
      if (invoke === undefined) throw new Error(`CRI has no ${method}`)
      invoke.call(client, request, { deadline: ports.clock.now() + deadlineMs }, (error, answer) => {
        if (error === null) resolve(answer as T)
        else reject(new RuntimeError(KINDS[error.code] ?? 'Other', errorText(error)))
      })
    })
}

const KINDS: Readonly<Record<number, RuntimeError['kind']>> = {
  [grpc.status.NOT_FOUND]: 'NotFound',
  [grpc.status.UNAVAILABLE]: 'Unavailable',
  [grpc.status.CANCELLED]: 'Unavailable',
  [grpc.status.DEADLINE_EXCEEDED]: 'Timeout'
}

/** As Go's gRPC prints an error, which is what Kubernetes shows of it. */
function errorText(error: grpc.ServiceError): string {
  return `rpc error: code = ${CODE_NAMES[error.code] ?? error.code} desc = ${error.details}`
}

const CODE_NAMES: Readonly<Record<number, string>> = {
  [grpc.status.UNKNOWN]: 'Unknown',
  [grpc.status.NOT_FOUND]: 'NotFound',
  [grpc.status.UNAVAILABLE]: 'Unavailable',
  [grpc.status.DEADLINE_EXCEEDED]: 'DeadlineExceeded',
  [grpc.status.FAILED_PRECONDITION]: 'FailedPrecondition',
  [grpc.status.INVALID_ARGUMENT]: 'InvalidArgument',
  [grpc.status.INTERNAL]: 'Internal',
  [grpc.status.ALREADY_EXISTS]: 'AlreadyExists',
  [grpc.status.CANCELLED]: 'Canceled'
}
