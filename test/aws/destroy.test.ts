import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, ListStacksCommand } from '@aws-sdk/client-cloudformation'
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb'
import { DescribeInstancesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { LambdaClient, ListEventSourceMappingsCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda'
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { CreateQueueCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs'
import { DescribeParametersCommand, SSMClient } from '@aws-sdk/client-ssm'
import { execute, WHERRY } from '../e2e/cluster.ts'
import { describeWith } from '../requires.ts'
import { type Emulator, lacksForEmulator, startEmulator } from './emulator.ts'

// An emulator that was given, as an account is: it lives on, and shows what a destroyed cluster leaves behind.

describeWith(lacksForEmulator('ministack'), 'destroy', () => {
  let emulator: Emulator
  let dir: string

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-destroy-'))
    emulator = await startEmulator('ministack')
  }, 240_000)
  afterAll(async () => {
    await emulator?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** What is there that could be a cluster's, by kind. */
  async function everything(): Promise<Record<string, readonly (string | undefined)[]>> {
    const options = {
      endpoint: emulator.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      forcePathStyle: true
    }
    const lambda = new LambdaClient(options)
    const [stacks, logs, tables, functions, mappings, buckets, queues, parameters, instances] = await Promise.all([
      new CloudFormationClient(options).send(new ListStacksCommand({})),
      new CloudWatchLogsClient(options).send(new DescribeLogGroupsCommand({})),
      new DynamoDBClient(options).send(new ListTablesCommand({})),
      lambda.send(new ListFunctionsCommand({})),
      lambda.send(new ListEventSourceMappingsCommand({})),
      new S3Client(options).send(new ListBucketsCommand({})),
      new SQSClient(options).send(new ListQueuesCommand({})),
      new SSMClient(options).send(
        new DescribeParametersCommand({
          ParameterFilters: [{ Key: 'Name', Option: 'BeginsWith', Values: ['/wherry/'] }]
        })
      ),
      new EC2Client(options).send(new DescribeInstancesCommand({}))
    ])
    const running = (instances.Reservations ?? []).flatMap(({ Instances = [] }) => Instances)
    return {
      stacks: (stacks.StackSummaries ?? [])
        .filter(({ StackStatus }) => StackStatus !== 'DELETE_COMPLETE')
        .map(({ StackName }) => StackName),
      logs: (logs.logGroups ?? []).map(({ logGroupName }) => logGroupName),
      tables: tables.TableNames ?? [],
      functions: (functions.Functions ?? []).map(({ FunctionName }) => FunctionName),
      mappings: (mappings.EventSourceMappings ?? []).map(({ UUID }) => UUID),
      buckets: (buckets.Buckets ?? []).map(({ Name }) => Name),
      queues: queues.QueueUrls ?? [],
      parameters: (parameters.Parameters ?? []).map(({ Name }) => Name),
      instances: running.filter(({ State }) => State?.Name === 'running').map(({ InstanceId }) => InstanceId)
    }
  }

  test('leaves nothing of what the stacks, the functions and the nodes made', async () => {
    const env = { XDG_STATE_HOME: dir, HOME: dir, AWS_ENDPOINT_URL: emulator.endpoint }
    const wherry = async (command: string) => {
      const outcome = await execute(WHERRY, [command, '--emulator', '--name', 'gone'], { env, timeoutMs: 240_000 })
      if (outcome.code !== 0) throw new Error(`${command}: ${outcome.stdout}${outcome.stderr}`)
    }
    const before = await everything()
    await wherry('deploy')
    const options = {
      endpoint: emulator.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
    }
    // As a node makes its queue, and the reconciler an instance.
    await new SQSClient(options).send(new CreateQueueCommand({ QueueName: 'wherry-gone-node-i-1' }))
    const Tags = [{ Key: 'wherry.dev/cluster', Value: 'gone' }]
    await new EC2Client(options).send(
      new RunInstancesCommand({
        ImageId: 'ami-12345678',
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: 'instance', Tags }]
      })
    )
    const between = await everything()
    for (const [kind, found] of Object.entries(between)) {
      expect({ kind, more: found.length > (before[kind] ?? []).length }).toEqual({ kind, more: true })
    }
    await wherry('destroy')
    expect(await everything()).toEqual(before)
  }, 600_000)
})
