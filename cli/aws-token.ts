import { signToken, TOKEN_LIFE_MS } from '../core/aws-token.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { CliError } from './errors.ts'

export interface AwsTokenOptions {
  /** The cluster's NAME. */
  readonly cluster: string
  /** Default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1: any region's STS knows all principals. */
  readonly region?: string
}

/** kubectl asks for a new token so long before the old one ends, in milliseconds. */
const EARLY_MS = 60_000

/** client.authentication.k8s.io/v1: what kubectl takes from an exec plugin. */
export interface ExecCredential {
  readonly kind: 'ExecCredential'
  readonly apiVersion: 'client.authentication.k8s.io/v1'
  readonly spec: { readonly interactive: false }
  readonly status: { readonly token: string; readonly expirationTimestamp: string }
}

/** Signed with the credentials that AWS' own tools would use: environment, profile, single sign-on, instance role. */
export async function awsToken({ cluster, region }: AwsTokenOptions): Promise<ExecCredential> {
  const now = systemPorts(silentLog).clock.now()
  const where = region || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || 'us-east-1'
  const credentials = await awsCredentials()
  const token = await signToken({ cluster, region: where, credentials, now })
  const expirationTimestamp = `${new Date(now + TOKEN_LIFE_MS - EARLY_MS).toISOString().slice(0, 19)}Z`
  return {
    kind: 'ExecCredential',
    apiVersion: 'client.authentication.k8s.io/v1',
    spec: { interactive: false },
    status: { token, expirationTimestamp }
  }
}

async function awsCredentials() {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node')
  try {
    return await defaultProvider()()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CliError(`there are no credentials for AWS: ${why}`, {
      hint: 'set AWS_PROFILE, or log in: aws sso login'
    })
  }
}

/** `wherry token --cluster NAME`: what the kubeconfig of a cluster on AWS runs. */
export async function printAwsToken(options: AwsTokenOptions): Promise<void> {
  process.stdout.write(`${JSON.stringify(await awsToken(options))}\n`)
}
