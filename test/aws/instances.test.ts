import {
  CreateLaunchTemplateCommand,
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  EC2Client,
  RunInstancesCommand
} from '@aws-sdk/client-ec2'
import type { Emulator } from '../../cli/emulator/process.ts'
import { CLUSTER_TAG, ec2Instances } from '../../lambdas/reconciler/nodes/ec2-instances.ts'
import type { Instances } from '../../lambdas/reconciler/nodes/instances.ts'
import { NoCapacity } from '../../lambdas/reconciler/nodes/instances.ts'
import { instancesSuite } from '../contract/instances-suite.ts'
import { describeWith } from '../requires.ts'
import { lacksForEmulator, startEmulator } from './emulator.ts'

describeWith(lacksForEmulator('ministack'), 'instances of EC2', () => {
  let emulator: Emulator
  let client: EC2Client
  let instances: Instances
  let zones: [string, string]
  const subnets: Record<string, string> = {}

  beforeAll(async () => {
    emulator = await startEmulator('ministack')
    client = new EC2Client({
      endpoint: emulator.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
    })
    const LaunchTemplateData = { ImageId: 'ami-12345678', UserData: Buffer.from('#!/bin/sh').toString('base64') }
    await client.send(new CreateLaunchTemplateCommand({ LaunchTemplateName: 'wherry-test', LaunchTemplateData }))
    const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({}))
    for (const { AvailabilityZone = '', SubnetId = '' } of Subnets) subnets[AvailabilityZone] ??= SubnetId
    // ministack says of every instance that it lies in the first zone; the subnet is kept, and tested below.
    const [a = ''] = Object.keys(subnets)
    zones = [a, a]
    instances = ec2Instances({ client, cluster: 'test', template: 'wherry-test', subnets })
  }, 240_000)
  afterAll(async () => {
    client?.destroy()
    await emulator?.stop()
  })

  instancesSuite(() => ({ instances, zones }))

  test('others in the account are not ours', async () => {
    const other = ec2Instances({ client, cluster: 'other', template: 'wherry-test', subnets })
    const theirs = await other.launch({ id: 'l-1', type: 't4g.small', zone: zones[0] })
    const { Instances: plain = [] } = await client.send(
      new RunInstancesCommand({ ImageId: 'ami-12345678', MinCount: 1, MaxCount: 1 })
    )
    const ours = (await instances.list()).map(({ id }) => id)
    expect(ours).not.toContain(theirs)
    expect(ours).not.toContain(plain[0]?.InstanceId)
    expect((await instances.states([theirs])).get(theirs)).toBe('running')
  })

  test('it lies in the subnet of its zone and carries the tags that the rights and the bill go by', async () => {
    const [zone = '', subnet] = Object.entries(subnets).at(-1) ?? []
    const id = await instances.launch({ id: 'l-2', type: 't4g.small', zone })
    const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
    expect(Reservations[0]?.Instances?.[0]?.SubnetId).toBe(subnet)
    const tags = Reservations[0]?.Instances?.[0]?.Tags ?? []
    expect(Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))).toEqual({
      [CLUSTER_TAG]: 'test',
      'wherry.dev/launch': 'l-2',
      Name: 'wherry-test-node'
    })
  })

  test.each(['InsufficientInstanceCapacity', 'VcpuLimitExceeded', 'Unsupported'])('%s is no capacity', async (name) => {
    const refusing = new EC2Client({
      endpoint: emulator.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
    })
    refusing.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === 'RunInstancesCommand') throw Object.assign(new Error('none left'), { name })
        return await next(args)
      },
      { step: 'initialize' }
    )
    const poor = ec2Instances({ client: refusing, cluster: 'test', template: 'lt-1', subnets })
    await expect(poor.launch({ id: 'l-3', type: 't4g.small', zone: zones[0] })).rejects.toBeInstanceOf(NoCapacity)
    refusing.destroy()
  })
})
