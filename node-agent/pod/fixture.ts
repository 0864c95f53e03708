/** Builders for the tables of pod.test.ts and its neighbours. */
import type { Container, Pod, PodSpec, PodStatus } from '../../core/kinds/types.ts'
import type { RuntimeContainer, Sandbox } from '../runtime/runtime.ts'
import type { Busy, PodInput } from './input.ts'

export const NOW = Date.parse('2026-01-01T00:10:00Z')
export const at = (seconds: number) => NOW + seconds * 1000
export const iso = (seconds: number) => new Date(at(seconds)).toISOString().replace('.000Z', 'Z')

export function podOf(spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Pod {
  return {
    metadata: { name: 'p', namespace: 'ns', uid: 'u', generation: 1, ...metadata },
    spec: { containers: [{ name: 'c', image: 'i:1' }], ...spec }
  }
}

export const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'i:1', ...more })

export function sandbox(more: Partial<Sandbox> = {}): Sandbox {
  const base = { id: 's0', podUid: 'u', name: 'p', namespace: 'ns', attempt: 0, createdAt: at(-100) }
  return { ...base, ready: true, ips: ['10.0.0.7'], ...more }
}

export function ran(name: string, more: Partial<RuntimeContainer> = {}): RuntimeContainer {
  const attempt = more.attempt ?? 0
  const exited = more.state === 'exited'
  return {
    id: `${name}${attempt}`,
    sandboxId: 's0',
    podUid: 'u',
    name,
    attempt,
    state: 'running',
    createdAt: at(-50),
    startedAt: at(-50),
    finishedAt: exited ? at(-1) : 0,
    exitCode: 0,
    reason: exited ? ((more.exitCode ?? 0) === 0 ? 'Completed' : 'Error') : '',
    message: '',
    image: 'i:1',
    imageRef: 'sha256:1',
    annotations: {},
    logPath: '/l',
    ...more
  }
}

export const IDLE: Busy = {
  preparing: false,
  sandbox: false,
  starting: new Set(),
  stopping: new Map(),
  finishing: false,
  resizing: false
}

export interface Scene extends Partial<Omit<PodInput, 'runtime' | 'busy'>> {
  readonly sandboxes?: readonly Sandbox[]
  readonly containers?: readonly RuntimeContainer[]
  readonly busy?: Partial<Busy>
}

export function scene({ sandboxes, containers, busy, ...more }: Scene = {}): PodInput {
  return {
    pod: podOf(),
    status: { phase: 'Pending' } as PodStatus,
    reported: { phase: 'Pending' },
    health: new Map(),
    messages: new Map(),
    failures: new Map(),
    replaced: new Set(),
    resources: new Map(),
    resizeVerdict: undefined,
    rejected: undefined,
    prepared: true,
    prepareAfter: 0,
    sandboxAfter: 0,
    endingSince: undefined,
    finished: false,
    hostIPs: ['192.0.2.1'],
    now: NOW,
    runtime: { sandboxes: sandboxes ?? [sandbox()], containers: containers ?? [] },
    busy: { ...IDLE, ...busy },
    ...more
  }
}
