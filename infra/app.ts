import {
  App,
  CliCredentialsStackSynthesizer,
  Fn,
  type IStackSynthesizer,
  LegacyStackSynthesizer,
  RemovalPolicy,
  Stack,
  Tags,
  Validations
} from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { Assets } from './assets.ts'
import { ControlPlane } from './control-plane.ts'
import { functionCode } from './functions.ts'
import { CLUSTER_TAG, clusterNames } from './names.ts'
import { Nodes } from './nodes.ts'
import { readSettings } from './settings.ts'
import { State } from './state.ts'

const app = new App()
const settings = readSettings((key) => app.node.tryGetContext(key))
const names = clusterNames(settings.name)
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env
const env = account === undefined || region === undefined ? {} : { env: { account, region } }

class ClusterStack extends Stack {
  /** By their place, so that nobody has to ask AWS for their names: a template is made without credentials. */
  override get availabilityZones(): string[] {
    return Array.from({ length: settings.nodes.zones }, (_, index) => Fn.select(index, Fn.getAzs()))
  }
}

const assets = new Stack(app, `${names.stack}-assets`, {
  ...env,
  // Its template goes to CloudFormation as it is: there is no bucket yet.
  synthesizer: new LegacyStackSynthesizer() as IStackSynthesizer,
  description: `Code of the cluster ${names.cluster} of Wherry`
})
new Assets(assets, 'Assets', { names })

const stack = new ClusterStack(app, names.stack, {
  ...env,
  synthesizer: new CliCredentialsStackSynthesizer({
    fileAssetsBucketName: Assets.bucketName(names)
  }) as IStackSynthesizer,
  description: `The cluster ${names.cluster} of Wherry: Kubernetes with no servers to keep`
})
stack.addStackDependency(assets)
const state = new State(stack, 'State', { names, removalPolicy: RemovalPolicy.DESTROY })
const nodes = settings.nodes.enabled ? new Nodes(stack, 'Nodes', { names, ...settings.nodes }) : undefined
new ControlPlane(stack, 'ControlPlane', {
  names,
  state,
  adminArn: settings.adminArn ?? stack.formatArn({ service: 'iam', region: '', resource: 'root' }),
  streaming: settings.streaming,
  code: await functionCode(),
  ...(nodes === undefined ? {} : { nodes }),
  ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint })
})

Tags.of(app).add(CLUSTER_TAG, names.cluster)
Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { writeSuppressionsToCloudFormation: true }))
