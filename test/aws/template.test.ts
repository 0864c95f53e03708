import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readSettings } from '../../infra/settings.ts'

interface Statement {
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: unknown
}

interface Resource {
  readonly Type: string
  // biome-ignore lint/suspicious/noExplicitAny: a template's shape is CloudFormation's
  readonly Properties: Readonly<Record<string, any>>
  readonly DeletionPolicy?: string
  readonly Metadata?: { readonly cdk_nag?: { readonly rules_to_suppress: readonly Reason[] } }
}

interface Reason {
  readonly id: string
  readonly reason: string
}

interface Template {
  readonly Resources: Readonly<Record<string, Resource>>
}

const HOME = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

/**
 * What the real app makes of a context, without credentials; names of the code's files are left out. In a process of its
 * own: it takes jest minutes to load the CDK. The app fails where cdk-nag finds something.
 */
async function synthesize(context: Record<string, unknown> = {}): Promise<Template> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-synth-'))
  const { CDK_DEFAULT_ACCOUNT: _, CDK_DEFAULT_REGION: __, ...environment } = process.env
  const settings = {
    CDK_OUTDIR: folder,
    CDK_CONTEXT_JSON: JSON.stringify({ 'aws:cdk:disable-stack-trace': true, agent: false, ...context })
  }
  try {
    const args = ['--no-warnings', join(HOME, 'infra', 'app.ts')]
    await run(process.execPath, args, { env: { ...environment, ...settings }, cwd: HOME })
    const text = readFileSync(join(folder, `wherry-${context.name ?? 'main'}.template.json`), 'utf8')
    const masked = text
      .replaceAll(/[0-9a-f]{64}\.zip/g, 'CODE.zip')
      .replaceAll(/("WHERRY_VERSION": )"[0-9a-f]+"/g, '$1"VERSION"')
      .replaceAll(/"(ControlPlaneApiDeployment)\w+"/g, '"$1"')
    return JSON.parse(masked) as Template
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

let whole: Template
let other: Template

beforeAll(async () => {
  const context = {
    name: 'other',
    emulated: 'true',
    endpoint: 'https://127.0.0.1:1/prod',
    fargate: 'true',
    nodes: { zones: 3 }
  }
  ;[whole, other] = await Promise.all([synthesize(), synthesize(context)])
}, 120_000)

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T])
const all = (template: Template, type: string) => Object.values(template.Resources).filter((one) => one.Type === type)
const properties = (template: Template, type: string) => all(template, type).map((one) => one.Properties)

test('the template is what it was', () => {
  const bare = Object.entries(whole.Resources).filter(([, { Type }]) => Type !== 'AWS::CDK::Metadata')
  expect(bare.map(([id, { Metadata: _, ...resource }]) => [id, resource])).toMatchSnapshot()
})

describe('rights', () => {
  interface Grant {
    readonly id: string
    readonly statement: Statement
    readonly reasons: readonly Reason[]
  }

  /** What roles may do. A resource's own policy, a queue's or a role's trust, says who may come. */
  function grants(template = whole): Grant[] {
    return Object.entries(template.Resources).flatMap(([id, { Type, Properties, Metadata }]) => {
      const inline = list(Properties.Policies ?? []).map((one) => one.PolicyDocument)
      const documents = [
        ...(/::(Managed)?Policy$/.test(Type) && Type.includes('::IAM::') ? [Properties.PolicyDocument] : []),
        ...inline
      ]
      const reasons = Metadata?.cdk_nag?.rules_to_suppress ?? []
      return documents.flatMap((document) => list(document.Statement).map((statement) => ({ id, statement, reasons })))
    })
  }

  test('with a wildcard have a reason beside it', () => {
    const unexplained = [...grants(), ...grants(other)].flatMap(({ id, statement, reasons }) => {
      const wild = [...list(statement.Action), ...list(statement.Resource)].some((one) =>
        JSON.stringify(one).includes('*')
      )
      const explained = reasons.some((one) => one.id.startsWith('AwsSolutions-IAM5') && one.reason.length > 20)
      return wild && !explained ? [id] : []
    })
    expect(grants().length).toBeGreaterThan(20)
    expect(unexplained).toEqual([])
  })

  test('name each action, and no managed policy', () => {
    const managed = properties(whole, 'AWS::IAM::Role').flatMap((role) => role.ManagedPolicyArns ?? [])
    expect(managed).toEqual([])
    expect(
      grants()
        .flatMap(({ statement }) => list(statement.Action))
        .filter((action) => action.includes('*'))
    ).toEqual([])
  })

  test('on everything are those alone that take no resource', () => {
    const everywhere = grants().filter(({ statement }) => list(statement.Resource).includes('*'))
    expect(everywhere.flatMap(({ statement }) => list(statement.Action)).sort()).toEqual([
      'ec2:DescribeInstanceTypes',
      'ec2:DescribeInstances',
      'ecr:GetAuthorizationToken'
    ])
  })

  test("to launch are the reconciler's, bound to the template, the tag and the nodes' role", () => {
    const launching = grants().filter(({ statement }) =>
      /RunInstances|Terminate|PassRole|CreateTags/.test(String(statement.Action))
    )
    expect(launching.length).toBe(6)
    for (const { id, statement } of launching) {
      expect(id).toContain('reconciler')
      expect(statement.Condition).toBeDefined()
    }
  })
})

test('the table is on demand, restorable, with keys in its stream and a time to live', () => {
  expect(properties(whole, 'AWS::DynamoDB::Table')).toEqual([
    expect.objectContaining({
      TableName: 'wherry-main',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: 'p', KeyType: 'HASH' },
        { AttributeName: 's', KeyType: 'RANGE' }
      ],
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      StreamSpecification: { StreamViewType: 'KEYS_ONLY' },
      TimeToLiveSpecification: { AttributeName: 'x', Enabled: true }
    })
  ])
})

test('functions run Node 24 on arm64 and keep their logs for a while', () => {
  const functions = properties(whole, 'AWS::Lambda::Function')
  expect(functions.map((one) => one.FunctionName).sort()).toEqual([
    'wherry-main-api',
    'wherry-main-reconciler',
    'wherry-main-scheduler'
  ])
  for (const one of functions) expect(one).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'] })
  const groups = all(whole, 'AWS::Logs::LogGroup')
  expect(groups.map(({ DeletionPolicy, Properties }) => [DeletionPolicy, Properties.RetentionInDays])).toEqual([
    ['Delete', 14],
    ['Delete', 14],
    ['Delete', 14]
  ])
})

test('API Gateway streams, or holds answers back where that is asked', () => {
  const integrations = (template: Template) =>
    properties(template, 'AWS::ApiGateway::Method').map(
      ({ Integration: { ResponseTransferMode, TimeoutInMillis } }) => {
        return [ResponseTransferMode, TimeoutInMillis]
      }
    )
  expect(integrations(whole)).toEqual([
    ['STREAM', 900_000],
    ['STREAM', 900_000]
  ])
  expect(integrations(other)).toEqual([
    [undefined, 29_000],
    [undefined, 29_000]
  ])
  const environment = (template: Template) =>
    properties(template, 'AWS::Lambda::Function').find((one) => one.FunctionName.endsWith('-api'))?.Environment
      .Variables
  expect(environment(whole)).toMatchObject({ WHERRY_STREAMING: 'true' })
  expect(environment(other)).toMatchObject({ WHERRY_STREAMING: 'false', WHERRY_ENDPOINT: 'https://127.0.0.1:1/prod' })
})

test('batches that keep failing are split, given up, and kept', () => {
  const mappings = properties(whole, 'AWS::Lambda::EventSourceMapping')
  const streams = mappings.filter((one) => one.StartingPosition === 'TRIM_HORIZON')
  expect([mappings.length, streams.length]).toEqual([3, 2])
  for (const one of mappings) expect(one.FunctionResponseTypes).toEqual(['ReportBatchItemFailures'])
  for (const one of streams) {
    expect(one.BisectBatchOnFunctionError).toBe(true)
    expect(one.MaximumRetryAttempts).toBeGreaterThan(0)
    expect(one.DestinationConfig.OnFailure.Destination).toBeDefined()
    expect(one.FilterCriteria.Filters.length).toBeGreaterThan(0)
  }
  const [timers] = properties(whole, 'AWS::SQS::Queue').filter((one) => one.QueueName === 'wherry-main-timers')
  expect(timers?.RedrivePolicy.maxReceiveCount).toBeGreaterThan(1)
})

test('alarms tell of changes that wait, dead letters and throttling', () => {
  expect(
    properties(whole, 'AWS::CloudWatch::Alarm')
      .map((one) => one.AlarmName)
      .sort()
  ).toEqual([
    'wherry-main-api-throttles',
    'wherry-main-dead-letters',
    'wherry-main-reconciler-stream-age',
    'wherry-main-reconciler-throttles',
    'wherry-main-scheduler-stream-age',
    'wherry-main-scheduler-throttles'
  ])
})

test('the network costs nothing while no node is there, and lets nobody in', () => {
  const types = new Set(Object.values(whole.Resources).map((one) => one.Type))
  for (const costly of ['NatGateway', 'EIP', 'VPCEndpoint', 'Instance'])
    expect(types).not.toContain(`AWS::EC2::${costly}`)
  for (const group of properties(whole, 'AWS::EC2::SecurityGroup')) {
    for (const rule of group.SecurityGroupIngress ?? []) expect(rule).toHaveProperty('SourceSecurityGroupId')
  }
  expect(properties(whole, 'AWS::EC2::LaunchTemplate')).toEqual([
    expect.objectContaining({
      LaunchTemplateData: expect.objectContaining({
        MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 }
      })
    })
  ])
})

test('the context chooses zones; names and tags are the cluster’s own', () => {
  expect([all(whole, 'AWS::EC2::Subnet').length, all(other, 'AWS::EC2::Subnet').length]).toEqual([2, 3])
  expect(JSON.stringify(other)).not.toMatch(/wherry-main|wherry\/main/)
  expect(properties(other, 'AWS::DynamoDB::Table')[0]?.Tags).toEqual([{ Key: 'wherry.dev/cluster', Value: 'other' }])
})

test('Fargate is there where it is wanted: a cluster without a cost, and rights bound to it', () => {
  expect(all(whole, 'AWS::ECS::Cluster')).toEqual([])
  expect(properties(other, 'AWS::ECS::Cluster').map((one) => one.ClusterName)).toEqual(['wherry-other'])
  const { Variables } =
    properties(other, 'AWS::Lambda::Function').find((one) => one.FunctionName.endsWith('-reconciler'))?.Environment ??
    {}
  expect(JSON.stringify(Variables.WHERRY_FARGATE)).toContain('publicIp')
})

test('without nodes there is no network, and nobody may launch', async () => {
  const without = await synthesize({ nodes: '{"enabled":false}' })
  expect(all(without, 'AWS::EC2::VPC')).toEqual([])
  expect(JSON.stringify(without)).not.toContain('ec2:RunInstances')
}, 120_000)

test.each([
  [{ nodes: { zones: 4 } }, 'zones is a number from 1 to 3'],
  [{ nodes: { size: 1 } }, 'has no size'],
  [{ nodes: { types: [] } }, 'types is a list of instance types'],
  [{ nodes: { architecture: 'sparc' } }, 'architecture is "arm64" or "x86_64"'],
  [{ name: 7 }, '"name" must be a text']
])('refuses the context %j', (context: Record<string, unknown>, message) => {
  expect(() => readSettings((key) => context[key])).toThrow(message)
})
