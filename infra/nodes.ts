import { Stack, Tags, Validations } from 'aws-cdk-lib'
import {
  BlockDeviceVolume,
  type CfnSecurityGroup,
  EbsDeviceVolumeType,
  IpAddresses,
  type IVpc,
  LaunchTemplate,
  LaunchTemplateHttpTokens,
  MachineImage,
  SecurityGroup,
  SubnetType,
  UserData,
  Vpc
} from 'aws-cdk-lib/aws-ec2'
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Asset } from 'aws-cdk-lib/aws-s3-assets'
import { Construct } from 'constructs'
import { userData } from '../node-agent/aws/user-data.ts'
import { CLUSTER_TAG, type ClusterNames } from './names.ts'
import { allow } from './rights.ts'

export interface NodesProps {
  readonly names: ClusterNames
  /**
   * Where instances run.
   * @default a VPC of its own, with public subnets in `zones` zones and no NAT gateway
   */
  readonly vpc?: IVpc
  /**
   * Availability zones of the VPC that is made here.
   * @default 2
   */
  readonly zones?: number
  /** @default "arm64" */
  readonly architecture?: Architecture
  /**
   * A folder with the agent and its Node.js, as `nodeAsset` (infra/node-asset.ts) makes it for the architecture. Instances
   * fetch it as they start, and join.
   * @default instances run the image and nothing of ours
   */
  readonly agent?: string
  /** GiB of each instance's disk, for images, logs and emptyDir volumes. @default 20 */
  readonly diskSize?: number
  /** Lets nodes pull the images of this account's registries (ECR). @default true */
  readonly pullFromEcr?: boolean
  /** For an emulator of AWS. @default false */
  readonly emulated?: boolean
  /** Lets you open a shell on a node through Systems Manager. @default false */
  readonly sessionManager?: boolean
  /** Instance types that may be launched: names, or beginnings before a "*". */
  readonly types: readonly string[]
  /** Never more instances than this. */
  readonly limit: number
}

export type Architecture = 'arm64' | 'x86_64'

/** Debian 12, by the parameter that Debian keeps, read at each launch: so a new instance has the newest image. */
const IMAGES: Readonly<Record<Architecture, string>> = {
  arm64: '/aws/service/debian/release/12/latest/arm64',
  x86_64: '/aws/service/debian/release/12/latest/amd64'
}

/**
 * What instances need before there are any: network, role, launch template. None of it costs anything; instances come
 * when pods need them (lambdas/reconciler launches them), each with a public address, since a NAT gateway that would
 * spare it costs 33 dollars a month, nodes or no nodes. Nothing can connect to them: the security group lets in only
 * the nodes themselves.
 */
export class Nodes extends Construct {
  readonly vpc: IVpc
  readonly securityGroups: readonly [SecurityGroup, SecurityGroup]
  readonly role: Role
  readonly launchTemplate: LaunchTemplate
  private readonly names: ClusterNames
  private readonly props: NodesProps

  constructor(scope: Construct, id: string, props: NodesProps) {
    super(scope, id)
    this.names = props.names
    this.props = props
    this.vpc = (props.vpc ?? this.makeVpc(props.zones ?? 2)) as IVpc
    this.securityGroups = this.makeSecurityGroups()
    this.role = this.makeRole(props)
    this.launchTemplate = this.makeTemplate(props)
  }

  /** To start instances of this template and no other, and to end those of this cluster and no others. */
  allowLaunching(role: Role): void {
    const { names } = this
    const arn = (resource: string, account?: string) =>
      Stack.of(this).formatArn({ service: 'ec2', resource, ...(account === undefined ? {} : { account }) })
    const template = arn(`launch-template/${this.launchTemplate.launchTemplateId ?? ''}`)
    const ofTemplate = this.only({ ArnEquals: { 'ec2:LaunchTemplate': template } })
    allow(role, 'LaunchFromTemplate', {
      actions: ['ec2:RunInstances'],
      resources: [
        template,
        ...this.securityGroups.map(({ securityGroupId }) => arn(`security-group/${securityGroupId}`)),
        arn('image/*', '')
      ],
      ...ofTemplate,
      why: "the template's image is the newest of Debian, whose id is not known before"
    })
    allow(role, 'LaunchInSubnets', {
      actions: ['ec2:RunInstances'],
      resources: this.vpc.publicSubnets.map(({ subnetId }) => arn(`subnet/${subnetId}`)),
      ...ofTemplate
    })
    allow(role, 'LaunchInstances', {
      actions: ['ec2:RunInstances'],
      resources: ['instance', 'network-interface', 'volume'].map((kind) => arn(`${kind}/*`)),
      ...ofTemplate,
      why: 'what a launch makes has no name before; all of it must come from the cluster’s template'
    })
    allow(role, 'TagAtLaunch', {
      actions: ['ec2:CreateTags'],
      resources: ['instance', 'network-interface', 'volume'].map((kind) => arn(`${kind}/*`)),
      ...this.only({ StringEquals: { 'ec2:CreateAction': 'RunInstances' } }),
      why: 'what a launch makes has no name before; tags may be set by the launch alone'
    })
    allow(role, 'EndInstances', {
      actions: ['ec2:TerminateInstances'],
      resources: [arn('instance/*')],
      ...this.only({ StringEquals: { [`ec2:ResourceTag/${CLUSTER_TAG}`]: names.cluster } }),
      why: "instances come and go; the condition leaves those with the cluster's tag"
    })
    allow(role, 'SeeInstances', {
      actions: ['ec2:DescribeInstances', 'ec2:DescribeInstanceTypes'],
      resources: ['*'],
      why: 'EC2 takes no resource for these; they change nothing'
    })
    allow(role, 'PassNodeRole', {
      actions: ['iam:PassRole'],
      resources: [this.role.roleArn],
      ...this.only({ StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } })
    })
    allow(role, 'ReadImage', {
      actions: ['ssm:GetParameters'],
      resources: [
        Stack.of(this).formatArn({ service: 'ssm', account: '', resource: 'parameter/aws/service/debian/*' })
      ],
      why: "Debian's public parameters, of which the template names one"
    })
  }

  /** WHERRY_NODES, as docs/adr/0006-aws.md has it. Written by hand: names of zones are known only when it is deployed. */
  settings(): string {
    const { types, limit: maxNodes, diskSize: diskGib = 20, architecture = 'arm64' } = this.props
    const arch = architecture === 'arm64' ? 'arm64' : 'amd64'
    const subnets = this.vpc.publicSubnets.map((subnet) => `"${subnet.availabilityZone}":"${subnet.subnetId}"`)
    const zones = this.vpc.publicSubnets.map((subnet) => `"${subnet.availabilityZone}"`)
    const rest = JSON.stringify({ arch, types, maxNodes, diskGib }).slice(1)
    const template = this.launchTemplate.launchTemplateId ?? ''
    return `{"template":"${template}","subnets":{${subnets.join()}},"zones":[${zones.join()}],${rest}`
  }

  /** Emulators tell a policy nothing of the template, of tags and of instances. */
  private only(conditions: Record<string, unknown>): { readonly conditions?: Record<string, unknown> } {
    return this.props.emulated === true ? {} : { conditions }
  }

  private makeVpc(zones: number): Vpc {
    const vpc = new Vpc(this, 'Vpc', {
      vpcName: this.names.stack,
      // Clear of the ranges of pods and services (core/cluster-network.ts).
      ipAddresses: IpAddresses.cidr('10.0.0.0/16'),
      maxAzs: zones,
      natGateways: 0,
      subnetConfiguration: [{ name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 20 }],
      restrictDefaultSecurityGroup: false
    })
    Validations.of(vpc).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason: 'flow logs cost what they take in, half a dollar a gigabyte; switch them on where you need them'
    })
    return vpc
  }

  /**
   * Nodes reach each other, and so do their pods; nobody else reaches them. Who is a node has the first group, which
   * the second lets in: a group that lets in itself takes a resource more, which emulators of AWS lack.
   */
  private makeSecurityGroups(): readonly [SecurityGroup, SecurityGroup] {
    const { vpc } = this
    const of = `of the cluster ${this.names.cluster}`
    const members = new SecurityGroup(this, 'Members', { vpc, description: `Says who is a node ${of}` })
    const nodes = new SecurityGroup(this, 'SecurityGroup', { vpc, description: `Lets in the nodes ${of}` })
    const rule = { ipProtocol: '-1', sourceSecurityGroupId: members.securityGroupId, description: 'nodes and pods' }
    ;(nodes.node.defaultChild as CfnSecurityGroup).securityGroupIngress = [rule]
    return [members, nodes]
  }

  private makeRole({ names, pullFromEcr = true, sessionManager = false }: NodesProps): Role {
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      description: `Nodes of the cluster ${names.cluster}`
    })
    const arn = (service: string, resource: string) => Stack.of(this).formatArn({ service, resource })
    const ownQueue = [arn('sqs', `${names.nodeQueuePrefix}*`)]
    const why = "the node's own queue: the condition compares its tag with the instance that asks"
    allow(role, 'MakeQueue', {
      actions: ['sqs:CreateQueue', 'sqs:TagQueue'],
      resources: ownQueue,
      ...this.only({ StringEquals: { [`aws:RequestTag/${INSTANCE_TAG}`]: INSTANCE_ARN } }),
      why
    })
    allow(role, 'UseQueue', {
      actions: [
        'sqs:ReceiveMessage',
        'sqs:DeleteMessage',
        // On AWS the right to one is the right to many.
        ...(this.props.emulated === true ? ['sqs:DeleteMessageBatch'] : []),
        'sqs:ChangeMessageVisibility',
        'sqs:GetQueueUrl',
        'sqs:GetQueueAttributes',
        'sqs:DeleteQueue'
      ],
      resources: ownQueue,
      ...this.only({ StringEquals: { [`aws:ResourceTag/${INSTANCE_TAG}`]: INSTANCE_ARN } }),
      why
    })
    allow(role, 'ReadEndpoint', {
      actions: ['ssm:GetParameter'],
      resources: [arn('ssm', `parameter${names.parameters}/endpoint`)]
    })
    if (pullFromEcr) allowPulls(role, arn('ecr', 'repository/*'))
    if (sessionManager) {
      role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('AmazonSSMManagedInstanceCore'))
      Validations.of(role).acknowledge({ id: 'AwsSolutions-IAM4', reason: 'what Systems Manager needs, kept by AWS' })
    }
    return role
  }

  private startAgent(path: string): readonly string[] {
    const asset = new Asset(this, 'Agent', { path })
    const { s3BucketName: bucket, s3ObjectKey: key } = asset
    const resource = Stack.of(this).formatArn({ service: 's3', region: '', account: '', resource: `${bucket}/${key}` })
    allow(this.role, 'FetchAgent', { actions: ['s3:GetObject'], resources: [resource] })
    return userData({ bucket, key })
  }

  private makeTemplate(props: NodesProps): LaunchTemplate {
    const { names, architecture = 'arm64', diskSize = 20 } = props
    const [members, letIn] = this.securityGroups
    const script = UserData.forLinux({ shebang: '#!/bin/bash' })
    script.addCommands(
      'set -eu',
      `export WHERRY_CLUSTER=${names.cluster}`,
      `export WHERRY_ENDPOINT_PARAMETER=${names.parameters}/endpoint`,
      `export AWS_REGION=${Stack.of(this).region}`,
      ...(props.agent === undefined ? [] : this.startAgent(props.agent))
    )
    const template = new LaunchTemplate(this, 'Template', {
      launchTemplateName: names.stack,
      machineImage: MachineImage.resolveSsmParameterAtLaunch(IMAGES[architecture]),
      role: this.role,
      securityGroup: members,
      userData: script,
      // One hop: the node's agent reaches the instance's credentials, and pods, a bridge away, do not.
      httpTokens: LaunchTemplateHttpTokens.REQUIRED,
      httpPutResponseHopLimit: 1,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(diskSize, { encrypted: true, volumeType: EbsDeviceVolumeType.GP3 })
        }
      ]
    })
    template.addSecurityGroup(letIn)
    Tags.of(template).add(CLUSTER_TAG, names.cluster)
    return template
  }
}

/** A node's queue carries the ARN of its instance, which IAM knows of whoever uses an instance's credentials. */
const INSTANCE_TAG = 'wherry.dev/instance'
// biome-ignore lint/suspicious/noTemplateCurlyInString: IAM's own variable
const INSTANCE_ARN = '${ec2:SourceInstanceARN}'

export function allowPulls(role: Role, repositories: string): void {
  allow(role, 'EnterRegistry', {
    actions: ['ecr:GetAuthorizationToken'],
    resources: ['*'],
    why: 'ECR takes no resource for it'
  })
  allow(role, 'PullImages', {
    actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
    resources: [repositories],
    why: "pods may name any image of the account's own registry"
  })
}
