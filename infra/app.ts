import {
  App,
  CliCredentialsStackSynthesizer,
  type IStackSynthesizer,
  LegacyStackSynthesizer,
  Stack,
  Tags,
  Validations
} from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { Assets } from './assets.ts'
import { ClusterStack } from './cluster-stack.ts'
import { agentFolder, functionCode } from './functions.ts'
import { CLUSTER_TAG, clusterNames } from './names.ts'
import { readSettings } from './settings.ts'

const app = new App()
const settings = readSettings((key) => app.node.tryGetContext(key))
const names = clusterNames(settings.name)
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env
const env = account === undefined || region === undefined ? {} : { env: { account, region } }

const assets = new Stack(app, `${names.stack}-assets`, {
  ...env,
  // Its template goes to CloudFormation as it is: there is no bucket yet.
  synthesizer: new LegacyStackSynthesizer() as IStackSynthesizer,
  description: `Code of the cluster ${names.cluster} of Wherry`
})
new Assets(assets, 'Assets', { names })
Tags.of(assets).add(CLUSTER_TAG, names.cluster)

const { enabled, architecture } = settings.nodes
const agent = enabled && settings.agent ? await agentFolder(architecture) : undefined

const stack = new ClusterStack(app, {
  settings,
  ...(agent === undefined ? {} : { agent }),
  functions: await functionCode(),
  stack: {
    ...env,
    synthesizer: new CliCredentialsStackSynthesizer({
      fileAssetsBucketName: Assets.bucketName(names)
    }) as IStackSynthesizer
  }
})
stack.addStackDependency(assets)

Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { writeSuppressionsToCloudFormation: true }))
