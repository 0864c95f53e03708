import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import { DescribeLaunchTemplateVersionsCommand, EC2Client } from '@aws-sdk/client-ec2'
import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand
} from '@aws-sdk/client-lambda'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { buildBusyboxImage } from '../../cli/busybox-image.ts'
import type { Deployment, Node, Pod } from '../../core/kinds/types.ts'
import { bundleAgent } from '../../infra/node-asset.ts'
import { ec2Instances } from '../../lambdas/reconciler/nodes/ec2-instances.ts'
import type { Instances } from '../../lambdas/reconciler/nodes/instances.ts'
import type { InstanceConfig } from '../../node-agent/aws/instance-config.ts'
import { eventually } from '../e2e/cluster.ts'
import { describeWith, lacksForNode } from '../requires.ts'
import { DeployedCluster } from './deployed.ts'
import { lacksForEmulator } from './emulator.ts'
import { InstanceLab, type TestInstance } from './instances.ts'
import type { RoleCredentials } from './metadata-server.ts'

const NAME = 'demand'
const REGION = 'us-east-1'
const PATIENT_MS = 180_000
/** How long a node stays that nothing runs on: minutes on AWS. */
const EMPTY_MS = 5_000
const WEB = readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'web.yaml'), 'utf8')

describeWith(lacksForNode() ?? lacksForEmulator('ministack'), 'a cluster that has no node', () => {
  let dir: string
  let cluster: DeployedCluster
  let lab: InstanceLab
  let instance: TestInstance | undefined
  let instances: Instances
  let options: ReturnType<typeof awsOptions>

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-demand-'))
    buildBusyboxImage(join(dir, 'busybox.tar'))
    await bundleAgent(join(dir, 'agent'))
    cluster = await DeployedCluster.start({ name: NAME })
    const { server, endpoint, authority } = cluster
    options = awsOptions(endpoint)
    await hurry(options)
    const roleArn = await nodeRole(options)
    lab = new InstanceLab({
      cluster: NAME,
      server,
      endpoint,
      authority,
      region: REGION,
      program: join(dir, 'agent', 'main.mjs'),
      credentials: (id) => roleCredentials(options, roleArn, id)
    })
    await lab.open()
    const template = `wherry-${NAME}`
    instances = ec2Instances({ client: new EC2Client(options), cluster: NAME, template, subnets: {} })
  }, 600_000)

  afterAll(async () => {
    await lab?.close()
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  }, 120_000)

  /** Waits, and shows where it waits in vain what the function and the agent said. */
  const until = async <T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> => {
    try {
      return await eventually(what, check, PATIENT_MS)
    } catch (error) {
      const functionLog = await cluster.functionLog('reconciler', 20).catch(String)
      throw new Error(`${error}\nreconciler\n${functionLog}\nagent\n${instance?.log(20)}`)
    }
  }
  const live = async () => (await instances.list()).filter(({ state }) => state !== 'gone')
  const nodes = async () => (await cluster.json<{ items: Node[] }>('get', 'nodes')).items

  test('asks EC2 for what the example needs, runs it there, and asks for the end of it when it is deleted', async () => {
    expect([await nodes(), await live()]).toEqual([[], []])
    await cluster.apply(WEB)
    const launched = await until('EC2 was asked for an instance', async () => (await live())[0])
    expect(launched.type).toBe('t4g.small')

    const started = await lab.launch({ ...launched, config: await told(options, cluster.server) })
    instance = started
    await until('the image is there', () => started.loadImage(join(dir, 'busybox.tar')).then(() => true))
    await until('the example runs', async () => {
      const { status } = await cluster.json<Deployment>('get', 'deployment', 'web')
      return status?.readyReplicas === 3
    })
    const { items } = await cluster.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')
    expect(new Set(items.map(({ spec }) => spec?.nodeName))).toEqual(new Set([launched.id]))
    expect(await live()).toHaveLength(1)
    const events = await cluster.k('get', 'events', '-o', 'jsonpath={.items[*].reason}')
    expect(events).toContain('LaunchingInstance')

    await cluster.k('delete', 'deployment', 'web', '--wait=false')
    await until('EC2 was asked to end it', async () => (await live()).length === 0)
    await started.terminate()
    await until('there is no node', async () => (await nodes()).length === 0)
  }, 600_000)
})

/** The reconciler is told to wait less; the rest is as it was deployed. */
async function hurry(options: ReturnType<typeof awsOptions>): Promise<void> {
  const lambda = new LambdaClient(options)
  const FunctionName = `wherry-${NAME}-reconciler`
  const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }))
  const { WHERRY_NODES = '{}', ...rest } = Environment?.Variables ?? {}
  const settings = { ...(JSON.parse(WHERRY_NODES) as object), emptyMs: EMPTY_MS }
  const Variables = { ...rest, WHERRY_NODES: JSON.stringify(settings) }
  await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }))
}

/** What the user data of an instance tells its agent; where the API is, the instance would ask a parameter. */
async function told(options: ReturnType<typeof awsOptions>, apiServer: string): Promise<Partial<InstanceConfig>> {
  const template = new DescribeLaunchTemplateVersionsCommand({
    LaunchTemplateName: `wherry-${NAME}`,
    Versions: ['$Latest']
  })
  const { LaunchTemplateVersions = [] } = await new EC2Client(options).send(template)
  const script = Buffer.from(LaunchTemplateVersions[0]?.LaunchTemplateData?.UserData ?? '', 'base64').toString()
  const cluster = /export WHERRY_CLUSTER='?([\w-]+)/.exec(script)?.[1] ?? ''
  expect(cluster).toBe(NAME)
  const file = /agent\.json <<WHERRY_END\n([\s\S]*?)\nWHERRY_END/.exec(script)?.[1]
  if (file === undefined) return { cluster, apiServer }
  return JSON.parse(file.replaceAll('$WHERRY_CLUSTER', cluster).replaceAll('$endpoint', apiServer)) as InstanceConfig
}

function awsOptions(endpoint: string) {
  return { endpoint, region: REGION, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
}

async function nodeRole(options: ReturnType<typeof awsOptions>): Promise<string> {
  const command = new DescribeStackResourcesCommand({ StackName: `wherry-${NAME}` })
  const { StackResources = [] } = await new CloudFormationClient(options).send(command)
  const role = StackResources.find(
    ({ ResourceType, LogicalResourceId }) =>
      ResourceType === 'AWS::IAM::Role' && LogicalResourceId?.startsWith('NodesRole')
  )
  if (role === undefined) throw new Error('the stack has no role for nodes')
  return `arn:aws:iam::000000000000:role/${role.PhysicalResourceId}`
}

/** As EC2 gives them to an instance: the session's name is the instance's. */
async function roleCredentials(
  options: ReturnType<typeof awsOptions>,
  RoleArn: string,
  RoleSessionName: string
): Promise<RoleCredentials> {
  const { Credentials } = await new STSClient(options).send(new AssumeRoleCommand({ RoleArn, RoleSessionName }))
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = Credentials ?? {}
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new Error('STS gave no credentials')
  return { accessKeyId, secretAccessKey, sessionToken }
}
