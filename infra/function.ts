import { ArnFormat, type Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Architecture, type Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { allow } from './rights.ts'

export interface ClusterFunctionProps {
  readonly functionName: string
  readonly description: string
  /** With an index.mjs or index.js that exports `handler`. */
  readonly code: Code
  readonly timeout: Duration
  /** MB; the function's share of a CPU grows with it: 1,769 MB are one. */
  readonly memorySize: number
  readonly environment: Readonly<Record<string, string>>
  readonly logRetention: RetentionDays
}

/**
 * A function on arm64 with Node 24, its log group, and a role that may write into that log group and do nothing else
 * until it is allowed more.
 */
export class ClusterFunction extends Construct {
  readonly function: LambdaFunction
  readonly role: Role

  constructor(scope: Construct, id: string, props: ClusterFunctionProps) {
    super(scope, id)
    const { functionName, logRetention: retention, environment, ...rest } = props
    const logGroupName = `/aws/lambda/${functionName}`
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName,
      retention,
      removalPolicy: RemovalPolicy.DESTROY
    })
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    allow(this.role, 'WriteLogs', {
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [
        Stack.of(this).formatArn({
          service: 'logs',
          resource: 'log-group',
          resourceName: `${logGroupName}:*`,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME
        })
      ],
      why: "the streams of the function's own log group, which Lambda names as it starts them"
    })
    this.function = new LambdaFunction(this, 'Function', {
      ...rest,
      functionName,
      environment: { ...environment },
      role: this.role,
      logGroup,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'index.handler'
    })
  }
}
