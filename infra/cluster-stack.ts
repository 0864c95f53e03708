import { Fn, RemovalPolicy, Stack, type StackProps, Tags } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { ControlPlane } from './control-plane.ts'
import { Fargate } from './fargate.ts'
import type { FunctionCode } from './functions.ts'
import { CLUSTER_TAG, clusterNames } from './names.ts'
import { Nodes } from './nodes.ts'
import type { Settings } from './settings.ts'
import { State } from './state.ts'

export interface ClusterStackProps {
  readonly settings: Settings
  readonly functions: FunctionCode
  /** See NodesProps. */
  readonly agent?: string
  readonly stack?: StackProps
}

/** The stack wherry-NAME: state, nodes and control plane of one cluster. Deleting it deletes what it stores. */
export class ClusterStack extends Stack {
  private readonly zones: number

  constructor(scope: Construct, { settings, functions, agent, stack }: ClusterStackProps) {
    const names = clusterNames(settings.name)
    super(scope, names.stack, {
      ...stack,
      description: `The cluster ${names.cluster} of Wherry: Kubernetes with no servers to keep`
    })
    this.zones = settings.nodes.zones
    const { adminArn, endpoint, emulated } = settings
    const state = new State(this, 'State', { names, removalPolicy: RemovalPolicy.DESTROY })
    const nodeProps = { names, ...settings.nodes, emulated, ...(agent === undefined ? {} : { agent }) }
    const nodes = settings.nodes.enabled ? new Nodes(this, 'Nodes', nodeProps) : undefined
    const { architecture } = settings.nodes
    const fargate =
      settings.fargate && nodes !== undefined
        ? new Fargate(this, 'Fargate', { names, nodes, architecture, emulated })
        : undefined
    new ControlPlane(this, 'ControlPlane', {
      names,
      state,
      adminArn: adminArn ?? this.formatArn({ service: 'iam', region: '', resource: 'root' }),
      emulated,
      ...functions,
      ...(nodes === undefined ? {} : { nodes }),
      ...(fargate === undefined ? {} : { fargate }),
      ...(endpoint === undefined ? {} : { endpoint })
    })
    Tags.of(this).add(CLUSTER_TAG, names.cluster)
  }

  /** By their place, so that nobody has to ask AWS for their names: a template is made without credentials. */
  override get availabilityZones(): string[] {
    return Array.from({ length: this.zones }, (_, index) => Fn.select(index, Fn.getAzs()))
  }
}
