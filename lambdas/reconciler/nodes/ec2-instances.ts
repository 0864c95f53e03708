import {
  DescribeInstancesCommand,
  type EC2Client,
  type Instance as Ec2Instance,
  RunInstancesCommand,
  TerminateInstancesCommand
} from '@aws-sdk/client-ec2'
import type { Instance, InstanceState, Instances, LaunchRequest } from './instances.ts'
import { NoCapacity } from './instances.ts'

/** Tags of the instances that we launch; infra lets the reconciler terminate only what has the first. */
export const CLUSTER_TAG = 'wherry.dev/cluster'
export const LAUNCH_TAG = 'wherry.dev/launch'

export interface Ec2Options {
  readonly client: EC2Client
  readonly cluster: string
  /** The launch template (an id "lt-..." or a name): image, profile, security groups, user data. */
  readonly template: string
  /** The subnet of each zone. */
  readonly subnets: Readonly<Record<string, string>>
}

/** What EC2 says where it has no machine of that type there, or the account may have no more of them. */
const NO_CAPACITY = new Set([
  'InsufficientInstanceCapacity',
  'InsufficientHostCapacity',
  'InsufficientFreeAddressesInSubnet',
  'InstanceLimitExceeded',
  'VcpuLimitExceeded',
  'MaxSpotInstanceCountExceeded',
  'Unsupported',
  'UnsupportedOperation',
  'InvalidInstanceType'
])
const MALFORMED = new Set(['InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed'])

export function ec2Instances(options: Ec2Options): Instances {
  const { client, cluster, template, subnets } = options

  const described = async (tags: Readonly<Record<string, string>>): Promise<Instance[]> => {
    const found: Instance[] = []
    const Filters = Object.entries(tags).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }))
    for (let NextToken: string | undefined; ; ) {
      const page = await client.send(new DescribeInstancesCommand({ Filters, ...(NextToken ? { NextToken } : {}) }))
      for (const { Instances = [] } of page.Reservations ?? []) found.push(...Instances.flatMap(instanceOf))
      NextToken = page.NextToken
      if (NextToken === undefined || NextToken === '') return found
    }
  }

  return {
    launch: async ({ id, type, zone }) => {
      // EC2 knows a token for a day at least; the tag tells for as long as the instance lives.
      const [known] = await described({ [CLUSTER_TAG]: cluster, [LAUNCH_TAG]: id })
      if (known !== undefined) return known.id
      try {
        const { Instances = [] } = await client.send(runCommand({ id, type, zone }))
        const made = Instances[0]?.InstanceId
        if (made === undefined) throw new Error('EC2 answered RunInstances without an instance')
        return made
      } catch (error) {
        if (error instanceof Error && NO_CAPACITY.has(error.name)) throw new NoCapacity(error.message)
        throw error
      }
    },
    list: () => described({ [CLUSTER_TAG]: cluster }),
    states: async (ids) => {
      const states = new Map<string, InstanceState>()
      // One unknown id makes EC2 refuse all: each by itself, for there are few of them.
      for (const id of ids) states.set(id, await stateOf(client, id))
      return states
    },
    terminate: async (id) => {
      try {
        await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
      } catch (error) {
        if (!(error instanceof Error && MALFORMED.has(error.name))) throw error
      }
    }
  }

  function runCommand({ id, type, zone }: LaunchRequest): RunInstancesCommand {
    const subnet = subnets[zone]
    const tags = { [CLUSTER_TAG]: cluster, [LAUNCH_TAG]: id, Name: `wherry-${cluster}-node` }
    return new RunInstancesCommand({
      ClientToken: id,
      MinCount: 1,
      MaxCount: 1,
      LaunchTemplate: template.startsWith('lt-')
        ? { LaunchTemplateId: template, Version: '$Latest' }
        : { LaunchTemplateName: template, Version: '$Latest' },
      InstanceType: type as NonNullable<Ec2Instance['InstanceType']>,
      ...(subnet === undefined ? { Placement: { AvailabilityZone: zone } } : { SubnetId: subnet }),
      TagSpecifications: [
        { ResourceType: 'instance', Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }
      ]
    })
  }
}

async function stateOf(client: EC2Client, id: string): Promise<InstanceState> {
  try {
    const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
    const found = Reservations.flatMap(({ Instances = [] }) => Instances)[0]
    return found === undefined ? 'gone' : state(found)
  } catch (error) {
    if (error instanceof Error && MALFORMED.has(error.name)) return 'gone'
    throw error
  }
}

function instanceOf(found: Ec2Instance): Instance[] {
  const { InstanceId: id, InstanceType: type = '', Placement, LaunchTime, Tags = [] } = found
  const launch = Tags.find(({ Key }) => Key === LAUNCH_TAG)?.Value
  if (id === undefined || launch === undefined) return []
  return [
    {
      id,
      launch,
      type,
      zone: Placement?.AvailabilityZone ?? '',
      state: state(found),
      launchedAt: LaunchTime?.getTime() ?? 0
    }
  ]
}

function state({ State }: Ec2Instance): InstanceState {
  if (State?.Name === 'pending') return 'pending'
  return State?.Name === 'running' ? 'running' : 'gone'
}
