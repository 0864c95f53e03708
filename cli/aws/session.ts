import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import { CliError } from '../errors.ts'
import type { LocalRecord } from './local.ts'

/** Who deploys, and where to. */
export interface Session {
  readonly account: string
  readonly region: string
  /** "arn:aws:iam::123456789012:role/Admin" or a user's, as the API compares it: without the path and the session. */
  readonly arn: string
  /** For the AWS SDK's clients. */
  readonly client: {
    readonly region: string
    readonly endpoint?: string
    readonly credentials: ReturnType<typeof defaultProvider>
    readonly maxAttempts: number
  }
  /** For programs that use AWS: the CDK. */
  readonly environment: Readonly<Record<string, string>>
}

export interface SessionOptions {
  readonly region: string | undefined
  /** The emulator that is asked instead of AWS. */
  readonly local?: LocalRecord
}

const ANY_REGION = 'us-east-1'
/** What emulators take for the administrator's credentials. */
export const EMULATOR_CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' } as const

/** Throws with what to do where no credentials, no region or no way to AWS is found. */
export async function openSession({ region: asked, local }: SessionOptions): Promise<Session> {
  const region = asked ?? regionOf(local)
  const environment = local === undefined ? { AWS_REGION: region } : emulatorEnvironment(local, region)
  const credentials =
    local === undefined ? defaultProvider() : async () => ({ accessKeyId: 'test', secretAccessKey: 'test' })
  const client = {
    region,
    credentials,
    maxAttempts: 5,
    ...(local === undefined ? {} : { endpoint: local.endpoint })
  }
  const sts = new STSClient(client)
  try {
    const { Account: account = '', Arn: arn = '' } = await sts.send(new GetCallerIdentityCommand({}))
    return { account, region, arn: principalOf(arn), client, environment: { ...environment } }
  } catch (error) {
    throw sessionFailure(error)
  } finally {
    sts.destroy()
  }
}

/** What programs that use AWS find in their environment, so that they find the emulator. */
export function emulatorEnvironment(local: LocalRecord, region: string): Readonly<Record<string, string>> {
  return { ...EMULATOR_CREDENTIALS, AWS_SESSION_TOKEN: '', AWS_REGION: region, AWS_ENDPOINT_URL: local.endpoint }
}

export function regionOf(local: LocalRecord | undefined): string {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env
  const region = AWS_REGION || AWS_DEFAULT_REGION || (local === undefined ? undefined : ANY_REGION)
  if (region !== undefined) return region
  throw new CliError('no region is chosen', { hint: 'say which with --region, or set AWS_REGION', exitCode: 2 })
}

/** A role that somebody assumed is called by the role, whoever assumed it: sessions have other names each time. */
export function principalOf(arn: string): string {
  const [, partition, account, role] = /^arn:([^:]+):sts::(\d+):assumed-role\/([^/]+)\//.exec(arn) ?? []
  return role === undefined ? arn : `arn:${partition}:iam::${account}:role/${role}`
}

const NAMES: Readonly<Record<string, { readonly message: string; readonly hint: string }>> = {
  CredentialsProviderError: {
    message: 'no AWS credentials were found',
    hint: 'log in (aws sso login, aws configure), choose a profile (export AWS_PROFILE=...), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;\nto try without an account: ./wherry deploy --emulator'
  },
  ExpiredToken: { message: 'the AWS credentials have expired', hint: 'log in again, for instance: aws sso login' },
  ExpiredTokenException: { message: 'the AWS credentials have expired', hint: 'log in again: aws sso login' },
  InvalidClientTokenId: {
    message: 'AWS does not know these credentials',
    hint: 'look at: aws sts get-caller-identity'
  },
  SignatureDoesNotMatch: { message: 'AWS refuses these credentials', hint: 'AWS_SECRET_ACCESS_KEY may be wrong' }
}

function sessionFailure(error: unknown): unknown {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  const known = NAMES[name]
  if (known !== undefined) return new CliError(known.message, { hint: known.hint })
  return new CliError(`AWS does not answer: ${message}`)
}
