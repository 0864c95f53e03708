import { RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { CfnCluster } from 'aws-cdk-lib/aws-ecs'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { ClusterNames } from './names.ts'
import { allowPulls, type Nodes } from './nodes.ts'
import { allow } from './rights.ts'

export interface FargateProps {
  readonly names: ClusterNames
  /** Tasks run in the network of the nodes. */
  readonly nodes: Nodes
  /** @default "arm64" */
  readonly architecture?: 'arm64' | 'x86_64'
  /** @default RetentionDays.TWO_WEEKS */
  readonly logRetention?: RetentionDays
  /** Deployed to an emulator of AWS, which knows no conditions of ECS. */
  readonly emulated?: boolean
}

/**
 * What pods need that run as Fargate tasks: an ECS cluster, which is but a name, a role that pulls images and writes
 * logs, and a place for what containers print. None of it costs anything; tasks do while they run.
 */
export class Fargate extends Construct {
  private readonly props: FargateProps
  private readonly cluster: CfnCluster
  private readonly logs: LogGroup
  private readonly executionRole: Role

  constructor(scope: Construct, id: string, props: FargateProps) {
    super(scope, id)
    const { names, logRetention = RetentionDays.TWO_WEEKS } = props
    this.props = props
    this.cluster = new CfnCluster(this, 'Cluster', { clusterName: names.stack })
    Validations.of(this.cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'Container Insights costs per task and metric; switch it on where you need it'
    })
    this.logs = new LogGroup(this, 'Logs', {
      logGroupName: `${names.parameters}/tasks`,
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY
    })
    this.executionRole = new Role(this, 'ExecutionRole', {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: `Starts the tasks of the cluster ${names.cluster}`
    })
    allow(this.executionRole, 'WriteLogs', {
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      // The group's ARN ends in a wildcard for its streams.
      resources: [this.logs.logGroupArn]
    })
    allowPulls(this.executionRole, this.arn('ecr', 'repository/*'))
  }

  /** To run, see and end tasks of this cluster's own definitions, in its own ECS cluster. */
  allowRunning(role: Role): void {
    const { names, emulated } = this.props
    const only = (conditions: Record<string, unknown>) => (emulated === true ? {} : { conditions })
    const here = only({ ArnEquals: { 'ecs:cluster': this.cluster.attrArn } })
    // Emulators take the ECS cluster for what is run, seen and ended.
    const instead = emulated === true ? [this.cluster.attrArn] : []
    const tasks = this.arn('ecs', `task/${names.stack}/*`)
    const definitions = this.arn('ecs', `task-definition/${names.stack}-*`)
    allow(role, 'RunTasks', {
      actions: ['ecs:RunTask'],
      resources: [definitions, ...instead],
      ...here,
      why: 'each pod has a definition of its own, under the name of the cluster'
    })
    allow(role, 'EndTasks', {
      actions: ['ecs:StopTask', 'ecs:DescribeTasks'],
      resources: [tasks, ...instead],
      ...here,
      why: 'tasks come and go; all in this ECS cluster are of its pods'
    })
    allow(role, 'ListTasks', {
      actions: ['ecs:ListTasks'],
      resources: ['*'],
      ...here,
      why: 'ECS takes no task for it; the condition leaves those of this ECS cluster'
    })
    allow(role, 'DefineTasks', {
      actions: [
        'ecs:RegisterTaskDefinition',
        'ecs:DeregisterTaskDefinition',
        'ecs:DescribeTaskDefinition',
        'ecs:ListTaskDefinitions'
      ],
      resources: ['*'],
      why: 'ECS takes no resource for these; a definition runs nothing by itself'
    })
    allow(role, 'TagTasks', {
      actions: ['ecs:TagResource'],
      resources: [tasks, definitions],
      ...only({ StringEquals: { 'ecs:CreateAction': ['RunTask', 'RegisterTaskDefinition'] } }),
      why: 'tags may be set as a task or its definition is made, and its name is not known before'
    })
    allow(role, 'PassExecutionRole', {
      actions: ['iam:PassRole'],
      resources: [this.executionRole.roleArn],
      ...only({ StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } })
    })
  }

  /** WHERRY_FARGATE, as docs/adr/0006-aws.md has it. */
  settings(): string {
    const { names, nodes, architecture = 'arm64' } = this.props
    return Stack.of(this).toJsonString({
      cluster: names.stack,
      subnets: nodes.vpc.publicSubnets.map(({ subnetId }) => subnetId),
      securityGroups: nodes.securityGroups.map(({ securityGroupId }) => securityGroupId),
      executionRole: this.executionRole.roleArn,
      logGroup: this.logs.logGroupName,
      region: Stack.of(this).region,
      publicIp: true,
      arch: architecture === 'arm64' ? 'arm64' : 'amd64'
    })
  }

  private arn(service: string, resource: string): string {
    return Stack.of(this).formatArn({ service, resource })
  }
}
