/** Writes the statuses of pods to the API: only what differs, one request per pod at a time, until it has arrived. */
import { isDeepStrictEqual } from 'node:util'
import type { Client } from '../core/client.ts'
import { isReason } from '../core/errors.ts'
import { pods } from '../core/kinds/refs.ts'
import type { Pod, PodStatus } from '../core/kinds/types.ts'
import { type Ports, sleep } from '../core/ports.ts'
import { RESIZE_CONDITIONS } from './pod/conditions.ts'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 10_000

interface Entry {
  /** The newest object known to be in the API. */
  base: Pod
  desired: PodStatus
  writing: Promise<void> | undefined
  forgotten: AbortController
}

export class StatusManager {
  private readonly client: Client
  private readonly ports: Ports
  private readonly entries = new Map<string, Entry>()

  constructor(client: Client, ports: Ports) {
    this.client = client
    this.ports = ports
  }

  /** `pod`: the object as the watch has delivered it last. */
  set(pod: Pod, status: PodStatus): void {
    const uid = pod.metadata.uid ?? ''
    const entry = this.entries.get(uid) ?? {
      base: pod,
      desired: status,
      writing: undefined,
      forgotten: new AbortController()
    }
    this.entries.set(uid, entry)
    entry.base = newer(entry.base, pod)
    entry.desired = status
    entry.writing ??= this.write(entry)
  }

  /** Resolves when the last status that was set has been written, or its pod is gone. */
  async settled(podUid: string): Promise<void> {
    for (;;) {
      const writing = this.entries.get(podUid)?.writing
      if (writing === undefined) return
      await writing
    }
  }

  /** The pod is no longer in the API. */
  forget(podUid: string): void {
    this.entries.get(podUid)?.forgotten.abort()
    this.entries.delete(podUid)
  }

  private async write(entry: Entry): Promise<void> {
    let pause = FIRST_RETRY_MS
    // Several changes of one turn of the event loop become one request.
    await Promise.resolve()
    while (!entry.forgotten.signal.aborted) {
      const { desired } = entry
      const patch = statusPatch(entry.base.status ?? {}, desired)
      if (patch === undefined) {
        if (entry.desired === desired) break
        continue
      }
      try {
        entry.base = newer(entry.base, await this.send(entry.base, patch))
        pause = FIRST_RETRY_MS
        if (entry.desired === desired) break
      } catch (error) {
        // Gone, or another pod of the same name: nobody waits for this status any more.
        if (isReason(error, 'NotFound', 'Conflict')) break
        this.ports.log.warn({ pod: entry.base.metadata.name, error: String(error) }, 'a status was not written')
        await sleep(this.ports.clock, pause * (0.5 + this.ports.random.next()), entry.forgotten.signal)
        pause = Math.min(pause * 2, MAX_RETRY_MS)
      }
    }
    entry.writing = undefined
  }

  private async send(base: Pod, patch: Record<string, unknown>): Promise<Pod> {
    const { namespace, name = '', uid } = base.metadata
    const body = { metadata: { uid }, status: patch }
    return await this.client.patch(pods, { namespace, name }, { type: 'strategic', body, subresource: 'status' })
  }
}

function newer(a: Pod, b: Pod): Pod {
  return Number(b.metadata.resourceVersion ?? 0) >= Number(a.metadata.resourceVersion ?? 0) ? b : a
}

/** What turns `from` into `to` by a strategic merge; undefined: nothing. Conditions of others are left alone. */
export function statusPatch(from: PodStatus, to: PodStatus): Record<string, unknown> | undefined {
  const patch: Record<string, unknown> = {}
  const before = from as Record<string, unknown>
  const after = to as Record<string, unknown>
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (key === 'conditions') continue
    if (isDeepStrictEqual(plain(before[key]), plain(after[key]))) continue
    if (key === 'podIPs' || key === 'hostIPs') {
      const diff = addressPatch(before[key], after[key])
      if (diff.length > 0) patch[key] = diff
    } else if (after[key] !== undefined) patch[key] = after[key]
    else if (OWNED.has(key)) patch[key] = null
  }
  const conditions = (to.conditions ?? []).filter((condition) => {
    const old = from.conditions?.find((one) => one.type === condition.type)
    return !isDeepStrictEqual(plain(withoutNulls(old)), plain(condition))
  })
  const over = RESIZE_CONDITIONS.filter(
    (type) =>
      from.conditions?.some((one) => one.type === type) === true && !to.conditions?.some((one) => one.type === type)
  )
  // A merge keeps what it does not name: fields that ended are named.
  if (conditions.length + over.length > 0) {
    patch.conditions = [
      ...conditions.map((condition) => ({
        ...condition,
        reason: condition.reason ?? null,
        message: condition.message ?? null
      })),
      ...over.map((type) => ({ type, $patch: 'delete' }))
    ]
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}

/** What is the agent's to remove. */
const OWNED = new Set([
  'podIP',
  'reason',
  'message',
  'containerStatuses',
  'initContainerStatuses',
  'ephemeralContainerStatuses'
])

function addressPatch(before: unknown, after: unknown): unknown[] {
  const old = (before ?? []) as readonly { ip: string }[]
  const next = (after ?? []) as readonly { ip: string }[]
  const gone = old.filter(({ ip }) => !next.some((one) => one.ip === ip))
  const added = next.filter(({ ip }) => !old.some((one) => one.ip === ip))
  return [...gone.map(({ ip }) => ({ ip, $patch: 'delete' })), ...added]
}

/** Go writes a condition's zero time as null. */
function withoutNulls(value: object | undefined): unknown {
  return value === undefined ? undefined : Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null))
}

/** Without keys that are undefined: as it will be in JSON. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(entries.map(([key, one]) => [key, plain(one)]))
}
