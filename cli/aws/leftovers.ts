/** What deleting a stack does not: things that functions and nodes made, and what stands in the way of deleting it. */
import {
  CloudFormationClient,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  waitUntilStackDeleteComplete
} from '@aws-sdk/client-cloudformation'
import { CloudWatchLogsClient, DeleteLogGroupCommand, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs'
import {
  DescribeInstancesCommand,
  EC2Client,
  TerminateInstancesCommand,
  waitUntilInstanceTerminated
} from '@aws-sdk/client-ec2'
import {
  ClusterNotFoundException,
  DeregisterTaskDefinitionCommand,
  ECSClient,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  ListTasksCommand,
  StopTaskCommand,
  waitUntilTasksStopped
} from '@aws-sdk/client-ecs'
import { LambdaClient, PutFunctionConcurrencyCommand, ResourceNotFoundException } from '@aws-sdk/client-lambda'
import { DeleteObjectsCommand, ListObjectsV2Command, NoSuchBucket, S3Client } from '@aws-sdk/client-s3'
import { DeleteQueueCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs'
import { DeleteParametersCommand, GetParametersByPathCommand, SSMClient } from '@aws-sdk/client-ssm'
import { CLUSTER_TAG } from '../../infra/names.ts'
import { CliError } from '../errors.ts'
import type { Session } from './session.ts'
import { describeStack } from './stack.ts'

/** Seconds: network interfaces of ended instances take their time to go. */
const LONGEST_DELETE = 1800
const LONGEST_TERMINATE = 600

/** From now on no function starts: an instance launched while the stack goes would be in the way of its network. */
export async function stopLaunching(session: Session, stack: string): Promise<void> {
  const lambda = new LambdaClient(session.client)
  for (const part of ['reconciler', 'scheduler']) {
    const stop = new PutFunctionConcurrencyCommand({
      FunctionName: `${stack}-${part}`,
      ReservedConcurrentExecutions: 0
    })
    await lambda.send(stop).catch((error: unknown) => {
      if (!(error instanceof ResourceNotFoundException)) throw error
    })
  }
  lambda.destroy()
}

export async function terminateInstances(session: Session, cluster: string): Promise<void> {
  const ec2 = new EC2Client(session.client)
  const states = ['pending', 'running', 'stopping', 'stopped', 'shutting-down']
  const Filters = [
    { Name: `tag:${CLUSTER_TAG}`, Values: [cluster] },
    { Name: 'instance-state-name', Values: states }
  ]
  const ids: string[] = []
  for (let NextToken: string | undefined; ; ) {
    const page = await ec2.send(new DescribeInstancesCommand({ Filters, ...(NextToken && { NextToken }) }))
    const instances = (page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances)
    ids.push(...instances.flatMap(({ InstanceId }) => InstanceId ?? []))
    NextToken = page.NextToken
    if (NextToken === undefined) break
  }
  if (ids.length > 0) {
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }))
    const wait = { client: ec2, maxWaitTime: LONGEST_TERMINATE, minDelay: 2, maxDelay: 15 }
    await waitUntilInstanceTerminated(wait, { InstanceIds: ids })
  }
  ec2.destroy()
}

/** Fargate's: tasks of the ECS cluster of that name, and the definitions whose names begin with it. */
export async function stopTasks(session: Session, name: string): Promise<void> {
  const ecs = new ECSClient(session.client)
  const { taskArns = [] } = await ecs
    .send(new ListTasksCommand({ cluster: name, desiredStatus: 'RUNNING' }))
    .catch((error: unknown) => {
      if (error instanceof ClusterNotFoundException) return { taskArns: [] }
      throw error
    })
  for (const task of taskArns) await ecs.send(new StopTaskCommand({ cluster: name, task }))
  if (taskArns.length > 0) {
    const wait = { client: ecs, maxWaitTime: LONGEST_TERMINATE, minDelay: 2, maxDelay: 15 }
    await waitUntilTasksStopped(wait, { cluster: name, tasks: taskArns })
  }
  const prefix = { familyPrefix: `${name}-`, status: 'ACTIVE' as const }
  const { families = [] } = await ecs.send(new ListTaskDefinitionFamiliesCommand(prefix))
  for (const familyPrefix of families) {
    const { taskDefinitionArns = [] } = await ecs.send(
      new ListTaskDefinitionsCommand({ familyPrefix, status: 'ACTIVE' })
    )
    for (const taskDefinition of taskDefinitionArns)
      await ecs.send(new DeregisterTaskDefinitionCommand({ taskDefinition }))
  }
  ecs.destroy()
}

export async function deleteStack(session: Session, name: string): Promise<void> {
  const stack = await describeStack(session, name)
  if (stack === undefined) return
  const client = new CloudFormationClient(session.client)
  const StackName = stack.StackId ?? name
  await client.send(new DeleteStackCommand({ StackName }))
  try {
    await waitUntilStackDeleteComplete(
      { client, maxWaitTime: LONGEST_DELETE, minDelay: 1, maxDelay: 10 },
      { StackName }
    )
  } catch (error) {
    const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName }))
    const failed = StackEvents.filter(({ ResourceStatus }) => ResourceStatus === 'DELETE_FAILED')
    const why = failed.map(
      ({ LogicalResourceId, ResourceStatusReason }) => `${LogicalResourceId}: ${ResourceStatusReason}`
    )
    throw new CliError(`the stack ${name} could not be deleted: ${why.join('; ') || String(error)}`, {
      hint: 'mend that, and try again: ./wherry destroy'
    })
  } finally {
    client.destroy()
  }
}

export async function deleteQueues(session: Session, prefix: string): Promise<void> {
  const sqs = new SQSClient(session.client)
  for (let NextToken: string | undefined; ; ) {
    const list = new ListQueuesCommand({ QueueNamePrefix: prefix, MaxResults: 1000, ...(NextToken && { NextToken }) })
    const page = await sqs.send(list)
    for (const QueueUrl of page.QueueUrls ?? []) await sqs.send(new DeleteQueueCommand({ QueueUrl }))
    NextToken = page.NextToken
    if (NextToken === undefined) break
  }
  sqs.destroy()
}

export async function deleteParameters(session: Session, path: string): Promise<void> {
  const ssm = new SSMClient(session.client)
  // Of at most ten each time, until none is left.
  for (;;) {
    const { Parameters = [] } = await ssm.send(new GetParametersByPathCommand({ Path: path, Recursive: true }))
    const names = Parameters.flatMap(({ Name }) => Name ?? [])
    if (names.length === 0) break
    await ssm.send(new DeleteParametersCommand({ Names: names }))
  }
  ssm.destroy()
}

export async function deleteLogs(session: Session, prefix: string): Promise<void> {
  const logs = new CloudWatchLogsClient(session.client)
  const { logGroups = [] } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: prefix }))
  for (const { logGroupName } of logGroups) await logs.send(new DeleteLogGroupCommand({ logGroupName }))
  logs.destroy()
}

export async function deleteBucketContents(session: Session, bucket: string): Promise<void> {
  const s3 = new S3Client({ ...session.client, forcePathStyle: session.client.endpoint !== undefined })
  try {
    for (;;) {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
      if (Contents.length === 0) break
      const Objects = Contents.flatMap(({ Key }) => (Key === undefined ? [] : { Key }))
      await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
    }
  } catch (error) {
    if (!(error instanceof NoSuchBucket)) throw error
  } finally {
    s3.destroy()
  }
}
