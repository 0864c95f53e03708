/** What the node answers: to the API server over TLS, and on AWS to what it rings for (aws/relay.ts). */
import type { Pod, PodStatus } from '../core/kinds/types.ts'
import type { Ports } from '../core/ports.ts'
import { type LogOptions, readLog } from './logs/read-log.ts'
import type { Runtime, RuntimeContainer } from './runtime/runtime.ts'
import { summaryOf } from './stats.ts'

export interface NodeSources {
  readonly nodeName: string
  readonly runtime: Runtime
  readonly ports: Ports
  readonly pods: () => readonly Pod[]
  /** As last reported; undefined: no such pod here. */
  readonly status: (namespace: string, name: string) => PodStatus | undefined
  readonly containers: (namespace: string, name: string) => readonly RuntimeContainer[]
  /** Called when a container may have ended; returns its removal. */
  readonly onChange: (listener: () => void) => () => void
}

export interface NodeAnswer {
  readonly status: number
  readonly type: string
  /** A log that is followed has no end of its own: it goes on until the signal aborts. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Answers a GET of `path` with its query: "/containerLogs/default/web/c?follow=true". Failures are answers. */
export async function answerOf(sources: NodeSources, path: string, signal: AbortSignal): Promise<NodeAnswer> {
  const url = new URL(path, 'https://node')
  const [, first, ...rest] = url.pathname.split('/').map(decodeURIComponent)
  if (url.pathname === '/healthz') return text(200, 'ok')
  if (url.pathname === '/pods') {
    return json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: sources.pods() })
  }
  if (url.pathname === '/stats/summary') return json(await summaryOf(sources))
  if (first === 'containerLogs' && rest.length === 3) {
    const [namespace = '', pod = '', container = ''] = rest
    return logs(sources, { namespace, pod, container, query: url.searchParams, signal })
  }
  return text(404, '404 page not found')
}

interface LogRequest {
  readonly namespace: string
  readonly pod: string
  readonly container: string
  readonly query: URLSearchParams
  readonly signal: AbortSignal
}

function logs(sources: NodeSources, at: LogRequest): NodeAnswer {
  const previous = at.query.get('previous') === 'true'
  const status = sources.status(at.namespace, at.pod)
  if (status === undefined) return text(404, `pod "${at.pod}" does not exist`)
  const all = () => sources.containers(at.namespace, at.pod)
  const id = loggedContainer(status, at.container, previous)
  const target = all().find((container) => `containerd://${container.id}` === id)
  if (target === undefined) {
    const what = `container "${at.container}" in pod "${at.pod}"`
    return text(404, `${previous ? 'previous terminated ' : ''}${what} ${previous ? 'not found' : 'is not available'}`)
  }
  const source = {
    file: target.logPath,
    running: () => all().find((one) => one.id === target.id)?.state === 'running',
    onEnd: sources.onChange,
    signal: at.signal
  }
  return { status: 200, type: 'text/plain', body: readLog(source, logOptions(at.query, sources.ports.clock.now())) }
}

/** The id, as in the status, of the container whose log is meant (kubelet's validateContainerLogStatus). */
export function loggedContainer(status: PodStatus, name: string, previous: boolean): string | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses]
  const found = all.find((one) => one.name === name)
  const last = found?.lastState?.terminated?.containerID
  if (previous) return last
  if (found?.state?.running !== undefined) return found.containerID
  return found?.state?.terminated?.containerID ?? last
}

function logOptions(query: URLSearchParams, now: number): LogOptions {
  const number = (name: string) => (query.get(name) === null ? undefined : Number(query.get(name)))
  const tailLines = number('tailLines')
  const limitBytes = number('limitBytes')
  const seconds = number('sinceSeconds')
  const time = query.get('sinceTime')
  const since = seconds !== undefined ? now - seconds * 1000 : time !== null ? Date.parse(time) : undefined
  return {
    follow: query.get('follow') === 'true',
    timestamps: query.get('timestamps') === 'true',
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since })
  }
}

function json(value: unknown): NodeAnswer {
  return { status: 200, type: 'application/json', body: once(JSON.stringify(value)) }
}

export function text(status: number, message: string): NodeAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: once(message) }
}

async function* once(message: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(message)
}
