/** For tests: control planes as they are on AWS, each as if in a function of its own, over one backend in memory. */
import type { Ports } from '../core/ports.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import type { Piece, RelayPieces } from '../lambdas/api/relay.ts'
import type { AskSts } from '../lambdas/api/sts-authn.ts'
import { type Cloud, openCloud } from '../lambdas/cloud/cloud.ts'
import { type CloudConfig, cloudConfig } from '../lambdas/cloud/config.ts'
import type { Parameters } from '../lambdas/cloud/keys.ts'
import type { Backend } from '../store/backend.ts'
import { MemoryBackend } from '../store/backends/memory.ts'
import { shared } from './contract/store-faults.ts'

export const CLOUD_ENVIRONMENT = { WHERRY_CLUSTER: 'test', WHERRY_TABLE: 'wherry-test' }

export function memoryParameters(): Parameters & { readonly values: ReadonlyMap<string, string> } {
  const values = new Map<string, string>()
  return {
    values,
    get: async (name) => values.get(name),
    create: async (name, value) => {
      if (!values.has(name)) values.set(name, value)
    }
  }
}

export function memoryPieces(): RelayPieces {
  const heads = new Map<string, { node: string; until: number }>()
  const kept = new Map<string, Map<number, Piece>>()
  return {
    hold: async (id, relay) => void heads.set(id, relay),
    find: async (id) => heads.get(id),
    put: async (id, piece) => {
      const pieces = kept.get(id) ?? new Map<number, Piece>()
      kept.set(id, pieces)
      if (!pieces.has(piece.number)) pieces.set(piece.number, piece)
    },
    read: async (id, from) =>
      [...(kept.get(id)?.values() ?? [])].filter(({ number }) => number >= from).sort((a, b) => a.number - b.number)
  }
}

export interface SiteOptions {
  readonly backend?: Backend
  readonly ports?: Ports
  readonly config?: Partial<CloudConfig>
  readonly lost?: () => void
  readonly askSts?: AskSts
}

export interface CloudSite {
  readonly backend: Backend
  readonly parameters: ReturnType<typeof memoryParameters>
  /** What was put into queues: each node has the one in its annotation. */
  readonly rung: { readonly queueUrl: string; readonly message: object }[]
  /** Another function's process. */
  open(options?: SiteOptions): Promise<Cloud>
  close(): Promise<void>
}

export function cloudSite(backend: Backend = shared(new MemoryBackend())): CloudSite {
  const parameters = memoryParameters()
  const pieces = memoryPieces()
  const rung: { queueUrl: string; message: object }[] = []
  const opened: Cloud[] = []
  return {
    backend,
    parameters,
    rung,
    open: async (options = {}) => {
      const config = { ...cloudConfig(CLOUD_ENVIRONMENT), ...options.config }
      const outside = {
        backend: options.backend ?? backend,
        parameters,
        pieces,
        askSts: options.askSts ?? (async () => ({ status: 403, text: '' })),
        ring: async (queueUrl: string, message: object) => void rung.push({ queueUrl, message }),
        ...(options.lost && { lost: options.lost })
      }
      const cloud = await openCloud(config, options.ports ?? systemPorts(silentLog), outside)
      opened.push(cloud)
      return cloud
    },
    close: async () => {
      for (const cloud of opened) await cloud.close()
    }
  }
}
