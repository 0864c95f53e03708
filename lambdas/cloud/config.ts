/** What the stack tells its functions, by the environment's names of docs/adr/0006-aws.md. */
import { SERVICE_CIDR } from '../../core/cluster-network.ts'
import { type AddressOptions, DEFAULT_ADDRESSES } from '../api/addresses.ts'

export interface CloudConfig {
  /** The cluster's NAME. */
  readonly cluster: string
  readonly table: string
  /** "/wherry/NAME": where the cluster's parameters are. */
  readonly parameters: string
  /** The deployer's role or user. */
  readonly adminArn: string | undefined
  readonly nodeRoleArn: string | undefined
  /** The API's URL, where it is known: "https://abc.execute-api.eu-central-1.amazonaws.com/prod". */
  readonly endpoint: string | undefined
  /** Whether API Gateway passes answers on as they come; else each is held until it is whole. */
  readonly streaming: boolean
  /** An emulator's URL, which stands for all of AWS. */
  readonly emulator: string | undefined
  /** For how long versions can be watched from after they were replaced, in milliseconds. */
  readonly retentionMs: number
  readonly addresses: AddressOptions
}

export type Environment = Readonly<Record<string, string | undefined>>

const DAY_MS = 86_400_000

/** Throws an Error that names what is missing. */
export function cloudConfig(environment: Environment): CloudConfig {
  const cluster = need(environment, 'WHERRY_CLUSTER')
  return {
    cluster,
    table: need(environment, 'WHERRY_TABLE'),
    parameters: environment.WHERRY_PARAMETERS || `/wherry/${cluster}`,
    adminArn: environment.WHERRY_ADMIN_ARN || undefined,
    nodeRoleArn: environment.WHERRY_NODE_ROLE_ARN || undefined,
    endpoint: environment.WHERRY_ENDPOINT || undefined,
    streaming: environment.WHERRY_STREAMING === 'true',
    emulator: environment.AWS_ENDPOINT_URL || undefined,
    retentionMs: DAY_MS,
    addresses: { ...DEFAULT_ADDRESSES, serviceRange: SERVICE_CIDR }
  }
}

function need(environment: Environment, name: string): string {
  const value = environment[name]
  if (value === undefined || value === '') throw new Error(`the environment has no ${name}`)
  return value
}
