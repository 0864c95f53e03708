import { Aws, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { ClusterNames } from './names.ts'

/**
 * The bucket for the code of functions and nodes, in a stack of its own that comes first: so a cluster needs no `cdk
 * bootstrap` of the account, and what deploys it needs no rights but the deployer's.
 */
export class Assets extends Construct {
  constructor(scope: Construct, id: string, { names }: { readonly names: ClusterNames }) {
    super(scope, id)
    const bucket = new Bucket(this, 'Bucket', {
      bucketName: `${names.stack}-${Aws.ACCOUNT_ID}-${Aws.REGION}`,
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      // `wherry destroy` empties it before.
      removalPolicy: RemovalPolicy.DESTROY
    })
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason: 'it holds this program, which is public; a log of its readers would need a bucket of its own'
    })
  }

  /** As the CDK writes it. */
  static bucketName(names: ClusterNames): string {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the CDK's own placeholders
    return [names.stack, '${AWS::AccountId}', '${AWS::Region}'].join('-')
  }
}
