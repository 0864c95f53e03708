import { RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { Cluster } from 'aws-cdk-lib/aws-ecs'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { ClusterNames } from './names.ts'
import type { Nodes } from './nodes.ts'
import { allow } from './rights.ts'

export interface FargateProps {
  readonly names: ClusterNames
  /** Tasks run in the nodes' network. */
  readonly nodes: Nodes
  /** @default "arm64" */
  readonly architecture?: 'arm64' | 'x86_64'
  /** For an emulator of AWS. @default false */
  readonly emulated?: boolean
}

/** What pods need to run as Fargate tasks: an ECS cluster, which costs nothing, a log group, and the tasks' two roles. */
export class Fargate extends Construct {
  private readonly props: FargateProps
  private readonly cluster: Cluster
  private readonly logs: LogGroup
  /** Pulls images and writes logs. */
  private readonly execution: Role
  /** What containers may do in AWS: nothing. */
  private readonly task: Role

  constructor(scope: Construct, id: string, props: FargateProps) {
    super(scope, id)
    this.props = props
    const { names, nodes } = props
    this.cluster = new Cluster(this, 'Cluster', { clusterName: names.stack, vpc: nodes.vpc })
    Validations.of(this.cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'Container Insights is paid by the metric; switch it on where you need it'
    })
    const logGroupName = `/wherry/${names.cluster}/tasks`
    this.logs = new LogGroup(this, 'Logs', {
      logGroupName,
      retention: RetentionDays.TWO_WEEKS,
      removalPolicy: RemovalPolicy.DESTROY
    })
    const assumedBy = new ServicePrincipal('ecs-tasks.amazonaws.com')
    this.task = new Role(this, 'TaskRole', { assumedBy })
    this.execution = new Role(this, 'ExecutionRole', { assumedBy })
    allow(this.execution, 'WriteLogs', {
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [this.arn('logs', `log-group:${logGroupName}:*`)],
      why: 'the streams of the log group of tasks, each called by its pod'
    })
    nodes.allowPulls(this.execution)
  }

  /** WHERRY_FARGATE, as docs/adr/0006-aws.md has it. */
  settings(): string {
    const { nodes, architecture = 'arm64' } = this.props
    return Stack.of(this).toJsonString({
      cluster: this.cluster.clusterName,
      subnets: nodes.vpc.publicSubnets.map(({ subnetId }) => subnetId),
      securityGroups: nodes.securityGroups.map(({ securityGroupId }) => securityGroupId),
      executionRole: this.execution.roleArn,
      taskRole: this.task.roleArn,
      logGroup: this.logs.logGroupName,
      region: Stack.of(this).region,
      publicIp: true,
      arch: architecture === 'arm64' ? 'arm64' : 'amd64'
    })
  }

  /** To run, see and stop tasks of this cluster. */
  allowTasks(role: Role): void {
    const { names, emulated = false } = this.props
    // Emulators tell a policy nothing of the cluster in a condition, and ask for rights on it instead.
    const only = (conditions: Record<string, unknown>) => (emulated ? {} : { conditions })
    const onCluster = emulated ? [this.cluster.clusterArn] : []
    const definitions = this.arn('ecs', `task-definition/${names.stack}-*:*`)
    const tasks = this.arn('ecs', `task/${names.stack}/*`)
    const inCluster = only({ ArnEquals: { 'ecs:cluster': this.cluster.clusterArn } })
    allow(role, 'DefineTasks', {
      actions: ['Deregister', 'Describe', 'Register'].map((verb) => `ecs:${verb}TaskDefinition`),
      resources: ['*'],
      why: 'ECS takes no resource for these; tasks may run from the cluster’s own definitions only'
    })
    allow(role, 'ListTasks', {
      actions: ['ecs:ListTaskDefinitions', 'ecs:ListTasks'],
      resources: ['*'],
      why: 'ECS takes no task for these; they change nothing'
    })
    allow(role, 'RunTasks', {
      actions: ['ecs:RunTask'],
      resources: [definitions, ...onCluster],
      ...inCluster,
      why: 'each pod has a definition of its own under this prefix'
    })
    allow(role, 'KeepTasks', {
      actions: ['ecs:DescribeTasks', 'ecs:StopTask', 'ecs:TagResource'],
      resources: [tasks, ...onCluster],
      why: 'tasks of the cluster’s own ECS cluster, called by numbers of ECS'
    })
    allow(role, 'TagDefinitions', {
      actions: ['ecs:TagResource'],
      resources: [definitions],
      why: 'each pod has a definition of its own under this prefix'
    })
    allow(role, 'PassTaskRoles', {
      actions: ['iam:PassRole'],
      resources: [this.execution.roleArn, this.task.roleArn],
      ...only({ StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } })
    })
  }

  private arn(service: string, resource: string): string {
    const { partition, region, account } = Stack.of(this)
    return `arn:${partition}:${service}:${region}:${account}:${resource}`
  }
}
