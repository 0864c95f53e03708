import type { Architecture } from './nodes.ts'

/** What can be chosen of a cluster: in cdk.json's context, by `cdk -c KEY=VALUE`, by the options of `wherry deploy`. */
export interface Settings {
  /** The cluster's name; default "main". */
  readonly name: string
  /** Default: the account's root user. */
  readonly adminArn?: string
  /** See ControlPlaneProps. */
  readonly emulated: boolean
  readonly endpoint?: string
  /** Whether instances get the agent, 45 MB with its Node.js; default: not on an emulator, whose instances never start. */
  readonly agent: boolean
  readonly nodes: NodeSettings
  /** Whether pods may run as Fargate tasks; needs the network of nodes. */
  readonly fargate: boolean
}

export interface NodeSettings {
  /** False: a control plane without a VPC, for nodes that join by themselves or not at all. */
  readonly enabled: boolean
  readonly architecture: Architecture
  /** Availability zones, 1 to 3. */
  readonly zones: number
  /** Instance types that may be launched, the preferred one first. */
  readonly types: readonly string[]
  /** Never more instances than this. */
  readonly limit: number
  /** Whether spot instances are taken. */
  readonly spot: boolean
  /** GiB of each instance's disk. */
  readonly diskSize: number
}

export const NODE_DEFAULTS: NodeSettings = {
  enabled: true,
  architecture: 'arm64',
  zones: 2,
  types: ['t4g.small', 't4g.medium', 'm7g.large', 'm7g.xlarge'],
  limit: 10,
  spot: false,
  diskSize: 20
}

/** Reads the context. Throws what is wrong with it, by name. */
export function readSettings(context: (key: string) => unknown): Settings {
  const text = (key: string) => {
    const value = context(key)
    if (value !== undefined && typeof value !== 'string') throw new Error(`context "${key}" must be a text`)
    return value === '' ? undefined : value
  }
  const flag = (key: string, otherwise: boolean) => String(context(key) ?? otherwise) === 'true'
  const adminArn = text('adminArn')
  const endpoint = text('endpoint')
  return {
    name: text('name') ?? 'main',
    emulated: flag('emulated', false),
    agent: flag('agent', !flag('emulated', false)),
    nodes: nodeSettings(context('nodes')),
    fargate: String(context('fargate')) === 'true',
    ...(adminArn === undefined ? {} : { adminArn }),
    ...(endpoint === undefined ? {} : { endpoint })
  }
}

/** An object, as in cdk.json, or its JSON, as on a command line; what it leaves out has its default. */
function nodeSettings(context: unknown): NodeSettings {
  const given = (typeof context === 'string' ? JSON.parse(context) : (context ?? {})) as Partial<NodeSettings>
  const unknown = Object.keys(given).filter((key) => !(key in NODE_DEFAULTS))
  if (unknown.length > 0) throw new Error(`context "nodes" has no ${unknown.join(', ')}`)
  const settings = { ...NODE_DEFAULTS, ...given }
  const { zones, limit, types, diskSize, architecture } = settings
  const whole = (value: number, from: number, to: number) => Number.isInteger(value) && value >= from && value <= to
  if (!whole(zones, 1, 3)) throw new Error('context "nodes": zones is a number from 1 to 3')
  if (!whole(limit, 0, 1000)) throw new Error('context "nodes": limit is a number from 0 to 1000')
  if (!whole(diskSize, 8, 16_384)) throw new Error('context "nodes": diskSize is a number from 8 to 16384, in GiB')
  if (!Array.isArray(types) || types.length === 0) throw new Error('context "nodes": types is a list of instance types')
  if (architecture !== 'arm64' && architecture !== 'x86_64')
    throw new Error('context "nodes": architecture is "arm64" or "x86_64"')
  return settings
}
