import { CfnOutput, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { EndpointType, LambdaIntegration, ResponseTransferMode, RestApi } from 'aws-cdk-lib/aws-apigateway'
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as FunctionTarget } from 'aws-cdk-lib/aws-events-targets'
import type { Role } from 'aws-cdk-lib/aws-iam'
import { type Code, EventSourceMapping, StartingPosition } from 'aws-cdk-lib/aws-lambda'
import { SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import { StringParameter } from 'aws-cdk-lib/aws-ssm'
import { Construct } from 'constructs'
import type { FunctionTriggers, QueueTrigger } from '../core/triggers.ts'
import { reconcilerTriggers } from '../lambdas/reconciler/triggers.ts'
import { schedulerTriggers } from '../lambdas/scheduler/triggers.ts'
import { Alarms } from './alarms.ts'
import type { Fargate } from './fargate.ts'
import { ClusterFunction } from './function.ts'
import { type ClusterNames, FUNCTION_NAMES, type FunctionName } from './names.ts'
import type { Nodes } from './nodes.ts'
import { allow } from './rights.ts'
import type { State } from './state.ts'

export interface ControlPlaneProps {
  readonly names: ClusterNames
  readonly state: State
  /** Where pods run. Without it the API calls nobody a node. */
  readonly nodes?: Nodes
  /** Where pods can run as tasks. */
  readonly fargate?: Fargate
  /** ARN of the IAM role or user that is the cluster's administrator (system:masters). */
  readonly adminArn: string
  /** The code of each function; infra/functions.ts bundles this repository's. */
  readonly code: (name: FunctionName) => Code
  /**
   * For an emulator of AWS: answers are held back until they are whole, at most 29 s, where API Gateway streams watches
   * and logs for up to 15 minutes; and queues take requests without TLS.
   * @default false
   */
  readonly emulated?: boolean
  /**
   * The URL at which clients reach the API, where that is not API Gateway's own.
   * @default API Gateway's
   */
  readonly endpoint?: string
  /**
   * Of the code: when it changes, the reconciler looks at everything again, as a program does that was started anew.
   * @default ""
   */
  readonly version?: string
  /** @default RetentionDays.TWO_WEEKS */
  readonly logRetention?: RetentionDays
}

/** API Gateway's longest for a streamed answer, and for a buffered one. */
const STREAMED = Duration.minutes(15)
const BUFFERED = Duration.seconds(29)
const TIMERS = reconcilerTriggers.timers as QueueTrigger

/** Half a CPU and more: a cold start of the API takes 0.4 s so. */
const API_MEMORY_MB = 1024

/**
 * The control plane of one cluster: the API behind API Gateway, reconciler and scheduler behind the table's stream, the
 * queue of timers, the dead-letter queue, alarms. Nothing of it runs, or costs, while nobody calls and nothing changes,
 * but for the clock that asks the reconciler each minute.
 */
export class ControlPlane extends Construct {
  /** "https://ID.execute-api.REGION.amazonaws.com/prod", or the one given. */
  readonly endpoint: string
  readonly functions: Readonly<Record<FunctionName, ClusterFunction>>
  readonly timers: Queue
  /** Batches and timers that failed again and again. */
  readonly dead: Queue
  private readonly props: ControlPlaneProps

  constructor(scope: Construct, id: string, props: ControlPlaneProps) {
    super(scope, id)
    this.props = props
    const { fargate, names, state, nodes } = props
    this.dead = this.queue('Dead', { queueName: names.dead, retentionPeriod: Duration.days(14) })
    Validations.of(this.dead).acknowledge({ id: 'AwsSolutions-SQS3', reason: 'it is the dead-letter queue' })
    this.timers = this.queue('Timers', {
      queueName: names.timers,
      visibilityTimeout: Duration.seconds(TIMERS.visibilitySeconds),
      deadLetterQueue: { queue: this.dead, maxReceiveCount: TIMERS.maxReceives }
    })
    this.functions = this.makeFunctions(props)
    for (const { role } of Object.values(this.functions)) this.allowCommon(role, props)
    this.endpoint = this.makeApi(props)
    const { api, reconciler, scheduler } = this.functions
    if (nodes !== undefined) {
      nodes.allowLaunching(reconciler.role)
      reconciler.function.addEnvironment('WHERRY_NODES', nodes.settings())
      for (const name of FUNCTION_NAMES) {
        this.functions[name].function.addEnvironment('WHERRY_NODE_ROLE_ARN', nodes.role.roleArn)
      }
    }
    if (fargate !== undefined) {
      fargate.allowRunning(reconciler.role)
      reconciler.function.addEnvironment('WHERRY_FARGATE', fargate.settings())
    }
    allow(reconciler.role, 'SendDeadLetters', { actions: this.send(), resources: [this.dead.queueArn] })
    state.allowStream(reconciler.role)
    state.allowStream(scheduler.role)
    this.trigger('Reconciler', reconciler, reconcilerTriggers)
    this.trigger('Scheduler', scheduler, schedulerTriggers)
    this.addTimers(reconciler)
    new StringParameter(this, 'EndpointParameter', {
      parameterName: `${names.parameters}/endpoint`,
      description: `The Kubernetes API of the cluster ${names.cluster}`,
      stringValue: this.endpoint
    })
    for (const { function: fn } of [reconciler, scheduler]) fn.addEnvironment('WHERRY_ENDPOINT', this.endpoint)
    if (props.endpoint !== undefined) api.function.addEnvironment('WHERRY_ENDPOINT', props.endpoint)
    new Alarms(this, 'Alarms', { names, functions: this.functions, dead: this.dead })
    new CfnOutput(this, 'Endpoint', { value: this.endpoint }).overrideLogicalId('Endpoint')
  }

  private makeFunctions(props: ControlPlaneProps): Record<FunctionName, ClusterFunction> {
    const { names, state, adminArn, code, emulated = false, version = '' } = props
    const { logRetention = RetentionDays.TWO_WEEKS } = props
    const environment = {
      WHERRY_CLUSTER: names.cluster,
      WHERRY_TABLE: state.table.tableName,
      WHERRY_PARAMETERS: names.parameters,
      WHERRY_TIMERS_URL: this.timers.queueUrl,
      WHERRY_ADMIN_ARN: adminArn
    }
    const made = FUNCTION_NAMES.map((name) => {
      const of = `of the cluster ${names.cluster}`
      const own = {
        api: {
          description: `Kubernetes API ${of}`,
          timeout: emulated ? BUFFERED : STREAMED,
          memorySize: API_MEMORY_MB,
          environment: { ...environment, WHERRY_STREAMING: String(!emulated) }
        },
        reconciler: {
          description: `Controllers ${of}`,
          ...limits(reconcilerTriggers),
          environment: { ...environment, WHERRY_DEAD_URL: this.dead.queueUrl, WHERRY_VERSION: version }
        },
        scheduler: { description: `Scheduler ${of}`, ...limits(schedulerTriggers), environment }
      }[name]
      const common = { functionName: names.functions[name], code: code(name), logRetention }
      return [name, new ClusterFunction(this, name, { ...common, ...own })] as const
    })
    return Object.fromEntries(made) as Record<FunctionName, ClusterFunction>
  }

  /** What every function does: it keeps the store, reads (or, the first one, makes) the keys, rings nodes. */
  private allowCommon(role: Role, { names, state }: ControlPlaneProps): void {
    const arn = (service: string, resource: string) => Stack.of(this).formatArn({ service, resource })
    state.allowStore(role)
    allow(role, 'Keys', {
      actions: ['ssm:GetParameter', 'ssm:GetParameters', 'ssm:PutParameter'],
      resources: [arn('ssm', `parameter${names.parameters}/keys`)]
    })
    allow(role, 'Endpoint', {
      actions: ['ssm:GetParameter', 'ssm:GetParameters'],
      resources: [arn('ssm', `parameter${names.parameters}/endpoint`)]
    })
    allow(role, 'RingNodes', {
      actions: ['sqs:SendMessage', 'sqs:GetQueueUrl'],
      resources: [arn('sqs', `${names.nodeQueuePrefix}*`)],
      why: "the cluster's nodes come and go, and each has a queue of its own under this prefix"
    })
  }

  private makeApi({ names, emulated = false, endpoint }: ControlPlaneProps): string {
    const api = new RestApi(this, 'Api', {
      restApiName: names.stack,
      description: `Kubernetes API of the cluster ${names.cluster}`,
      endpointTypes: [EndpointType.REGIONAL],
      // Bodies pass as the bytes they are: protobuf, gzip.
      binaryMediaTypes: ['*/*'],
      cloudWatchRole: false,
      deployOptions: { stageName: 'prod' }
    })
    const integration = new LambdaIntegration(this.functions.api.function, {
      allowTestInvoke: false,
      ...(emulated ? { timeout: BUFFERED } : { responseTransferMode: ResponseTransferMode.STREAM, timeout: STREAMED })
    })
    api.root.addMethod('ANY', integration)
    api.root.addProxy({ defaultIntegration: integration })
    const reasons = {
      APIG1: 'access logs need a role set for every API of the account and region, which is not one stack’s to set',
      APIG2: 'the function validates every request, as a Kubernetes API server does',
      APIG3: 'a web ACL costs 5 dollars a month and more, also for an idle cluster; add one where you want it',
      APIG4: 'the function authenticates and authorises every request itself: tokens that STS confirms, RBAC',
      APIG6: 'execution logs would hold the bodies of Secrets',
      COG4: 'users are IAM roles and service accounts, not Cognito’s'
    }
    for (const [rule, reason] of Object.entries(reasons)) {
      Validations.of(api).acknowledge({ id: `AwsSolutions-${rule}`, reason })
    }
    // Its own output would have a name that nobody knows.
    api.node.tryRemoveChild('Endpoint')
    new CfnOutput(this, 'ApiId', { value: api.restApiId }).overrideLogicalId('ApiId')
    // Without the slash at its end.
    return endpoint ?? api.urlForPath('/').slice(0, -1)
  }

  /** The table's stream and the clock call the function; what keeps failing ends in the queue of dead letters. */
  private trigger(id: string, { function: target, role }: ClusterFunction, triggers: FunctionTriggers): void {
    const { stream, tickMinutes, tickInput } = triggers
    const mapping = new EventSourceMapping(this, `${id}Stream`, {
      target,
      eventSourceArn: this.props.state.table.tableStreamArn ?? '',
      startingPosition: StartingPosition[stream.startFrom],
      filters: stream.filters.map((pattern) => ({ pattern: JSON.stringify(pattern) })),
      batchSize: stream.batchSize,
      maxBatchingWindow: Duration.seconds(stream.windowSeconds),
      parallelizationFactor: stream.parallelization,
      reportBatchItemFailures: stream.reportsFailures,
      bisectBatchOnError: stream.bisectOnError,
      retryAttempts: stream.retryAttempts,
      onFailure: new SqsDlq(this.dead)
    })
    mapping.node.addDependency(role)
    new Rule(this, `${id}Clock`, {
      description: `Has the ${id.toLowerCase()} of ${this.props.names.cluster} look at what no change has behind it`,
      schedule: Schedule.rate(Duration.minutes(tickMinutes)),
      targets: [
        new FunctionTarget(target, {
          event: RuleTargetInput.fromObject(tickInput),
          // The next one comes soon enough.
          retryAttempts: 0,
          maxEventAge: Duration.minutes(1)
        })
      ]
    })
  }

  private addTimers({ function: target, role }: ClusterFunction): void {
    allow(role, 'SetTimers', { actions: this.send(), resources: [this.timers.queueArn] })
    allow(role, 'TakeTimers', {
      actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ChangeMessageVisibility'],
      resources: [this.timers.queueArn]
    })
    const mapping = new EventSourceMapping(this, 'TimersQueue', {
      target,
      eventSourceArn: this.timers.queueArn,
      batchSize: TIMERS.batchSize,
      maxConcurrency: TIMERS.maxConcurrency,
      reportBatchItemFailures: TIMERS.reportsFailures
    })
    mapping.node.addDependency(role)
  }

  /** AWS has one right for both calls, emulators one for each. */
  private send(): string[] {
    return ['sqs:SendMessage', ...(this.props.emulated === true ? ['sqs:SendMessageBatch'] : [])]
  }

  private queue(id: string, props: ConstructorParameters<typeof Queue>[2]): Queue {
    const { emulated = false } = this.props
    const queue = new Queue(this, id, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: !emulated,
      removalPolicy: RemovalPolicy.DESTROY,
      ...props
    })
    if (emulated) Validations.of(queue).acknowledge({ id: 'AwsSolutions-SQS4', reason: 'an emulator on this machine' })
    return queue
  }
}

function limits({ timeoutSeconds, memoryMb }: FunctionTriggers) {
  return { timeout: Duration.seconds(timeoutSeconds), memorySize: memoryMb }
}
