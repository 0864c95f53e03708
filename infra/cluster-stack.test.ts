import { App, Validations } from 'aws-cdk-lib'
import { Match, Template } from 'aws-cdk-lib/assertions'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { AwsSolutionsChecks } from 'cdk-nag'
import { ClusterStack } from './cluster-stack.ts'
import { readSettings } from './settings.ts'

interface Statement {
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: unknown
}

interface Resource {
  readonly Type: string
  readonly Properties: {
    readonly PolicyDocument?: { readonly Statement: readonly Statement[] }
    readonly Policies?: readonly { readonly PolicyDocument: { readonly Statement: readonly Statement[] } }[]
    readonly ManagedPolicyArns?: readonly unknown[]
    readonly Roles?: readonly { readonly Ref: string }[]
  }
  readonly Metadata?: {
    readonly cdk_nag?: { readonly rules_to_suppress: readonly { readonly id: string; readonly reason: string }[] }
  }
}

function templateOf(context: Record<string, unknown> = {}): Template {
  const app = new App({ analyticsReporting: false })
  const code = () => Code.fromInline('exports.handler = async () => ({})')
  const stack = new ClusterStack(app, { settings: readSettings((key) => context[key]), code })
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { writeSuppressionsToCloudFormation: true }))
  return Template.fromStack(stack)
}

const whole = templateOf()

function resources(template: Template): [string, Resource][] {
  return Object.entries(template.toJSON().Resources as Record<string, Resource>)
}

const list = (value: unknown) => (Array.isArray(value) ? value : [value])

test('is what it was', () => {
  const bare = resources(whole).map(([id, { Metadata: _, ...resource }]) => [id, resource])
  expect(Object.fromEntries(bare)).toMatchSnapshot()
})

describe('rights', () => {
  const grants = resources(whole).flatMap(([id, resource]) => {
    const { PolicyDocument: own, Policies = [] } = resource.Properties
    // A resource's own policy (a queue's, a role's trust) says who may come; here it is about what roles may do.
    const documents = [
      ...(resource.Type === 'AWS::IAM::Policy' && own ? [own] : []),
      ...Policies.map((one) => one.PolicyDocument)
    ]
    const reasons = resource.Metadata?.cdk_nag?.rules_to_suppress ?? []
    return documents.flatMap(({ Statement }) => Statement.map((statement) => ({ id, statement, reasons })))
  })

  test('with a wildcard have a reason beside it', () => {
    const unexplained = grants.flatMap(({ id, statement, reasons }) => {
      const texts = [...list(statement.Action), ...list(statement.Resource)].map((one) => JSON.stringify(one))
      const explained = reasons.some((one) => one.id.startsWith('AwsSolutions-IAM5') && one.reason.length > 20)
      return texts.some((text) => text.includes('*')) && !explained ? [id] : []
    })
    expect(grants.length).toBeGreaterThan(20)
    expect(unexplained).toEqual([])
  })

  test('are no managed policies, and never all of a service', () => {
    const managed = resources(whole).filter(([, { Properties }]) => (Properties.ManagedPolicyArns ?? []).length > 0)
    expect(managed.map(([id]) => id)).toEqual([])
    const actions = grants.flatMap(({ statement }) => list(statement.Action) as string[])
    expect(actions.filter((action) => action.includes('*'))).toEqual([])
  })

  test('on everything are those alone that take no resource', () => {
    const everywhere = grants.filter(({ statement }) => list(statement.Resource).includes('*'))
    expect(everywhere.flatMap(({ statement }) => list(statement.Action) as string[]).sort()).toEqual([
      'ec2:DescribeInstanceTypes',
      'ec2:DescribeInstances',
      'ecr:GetAuthorizationToken'
    ])
  })

  test('to launch are the reconciler’s, and bound to the template, the tag and the node’s role', () => {
    const launching = grants.filter(({ statement }) =>
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
  whole.hasResourceProperties('AWS::DynamoDB::Table', {
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
})

test('functions run Node 24 on arm64 and keep their logs for a while', () => {
  whole.resourceCountIs('AWS::Lambda::Function', 3)
  whole.allResourcesProperties('AWS::Lambda::Function', { Runtime: 'nodejs24.x', Architectures: ['arm64'] })
  whole.resourceCountIs('AWS::Logs::LogGroup', 3)
  whole.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 14 })
  whole.allResources('AWS::Logs::LogGroup', { DeletionPolicy: 'Delete' })
})

test('API Gateway streams, or buffers where that is asked', () => {
  const buffered = templateOf({ streaming: 'false' })
  const timeout = { streamed: 900_000, buffered: 29_000 }
  whole.allResourcesProperties('AWS::ApiGateway::Method', {
    HttpMethod: 'ANY',
    Integration: { Type: 'AWS_PROXY', ResponseTransferMode: 'STREAM', TimeoutInMillis: timeout.streamed }
  })
  buffered.allResourcesProperties('AWS::ApiGateway::Method', {
    Integration: { ResponseTransferMode: Match.absent(), TimeoutInMillis: timeout.buffered }
  })
  const api = (template: Template) =>
    template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: 'wherry-main-api' } })
  expect(JSON.stringify(api(whole))).toContain('"WHERRY_STREAMING":"true"')
  expect(JSON.stringify(api(buffered))).toContain('"WHERRY_STREAMING":"false"')
})

test('batches that keep failing go away, and are kept', () => {
  const streams = { StartingPosition: 'TRIM_HORIZON', BisectBatchOnFunctionError: true }
  whole.resourcePropertiesCountIs(
    'AWS::Lambda::EventSourceMapping',
    { ...streams, DestinationConfig: Match.anyValue() },
    2
  )
  whole.allResourcesProperties('AWS::Lambda::EventSourceMapping', {
    FunctionResponseTypes: ['ReportBatchItemFailures']
  })
  for (const [, { Properties }] of Object.entries(whole.findResources('AWS::Lambda::EventSourceMapping'))) {
    if (Properties.StartingPosition !== undefined) expect(Properties.MaximumRetryAttempts).toBeGreaterThan(0)
  }
})

test('alarms tell of changes that wait, dead letters and throttling', () => {
  const alarms = Object.values(whole.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties }) => Properties.AlarmName
  )
  expect(alarms.sort()).toEqual([
    'wherry-main-api-throttles',
    'wherry-main-dead-letters',
    'wherry-main-reconciler-stream-age',
    'wherry-main-reconciler-throttles',
    'wherry-main-scheduler-stream-age',
    'wherry-main-scheduler-throttles'
  ])
})

test('a node’s network costs nothing while no node is there, and lets nobody in', () => {
  whole.resourceCountIs('AWS::EC2::NatGateway', 0)
  whole.resourceCountIs('AWS::EC2::EIP', 0)
  whole.resourceCountIs('AWS::EC2::Subnet', 2)
  for (const { Properties } of Object.values(whole.findResources('AWS::EC2::SecurityGroup'))) {
    for (const rule of Properties.SecurityGroupIngress ?? []) expect(rule).toHaveProperty('SourceSecurityGroupId')
  }
  whole.hasResourceProperties('AWS::EC2::LaunchTemplate', {
    LaunchTemplateData: { MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 } }
  })
})

test('zones are chosen by the context, and nodes can be left out', () => {
  templateOf({ nodes: { zones: 3 } }).resourceCountIs('AWS::EC2::Subnet', 3)
  const without = templateOf({ nodes: '{"enabled":false}' })
  without.resourceCountIs('AWS::EC2::VPC', 0)
  expect(JSON.stringify(without.toJSON())).not.toContain('ec2:RunInstances')
})

test.each([
  [{ nodes: { zones: 4 } }, 'zones is a number from 1 to 3'],
  [{ nodes: { size: 1 } }, 'has no size'],
  [{ nodes: { types: [] } }, 'types is a list of instance types'],
  [{ name: 'Main' }, 'is no name of a cluster'],
  [{ name: 'a'.repeat(27) }, 'is no name of a cluster']
])('refuses %j', (context, message) => {
  expect(() => templateOf(context)).toThrow(message)
})

test('what can be deployed has names and tags of its own for each cluster', () => {
  const other = templateOf({ name: 'other' })
  const text = JSON.stringify(other.toJSON())
  expect(text).not.toContain('wherry-main')
  expect(text).not.toContain('/wherry/main')
  other.hasResourceProperties('AWS::DynamoDB::Table', { Tags: [{ Key: 'wherry.dev/cluster', Value: 'other' }] })
})
