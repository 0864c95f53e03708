/** Tokens of AWS principals: checked here, decided by STS, mapped by the cluster. */
import { TOKEN_PREFIX } from '../../core/aws-token.ts'
import { ApiError } from '../../core/errors.ts'
import type { UserInfo } from '../../core/http.ts'
import type { Ports } from '../../core/ports.ts'
import type { Entry, StoreApi } from '../../store/store.ts'
import type { TokenVerifier } from './authn.ts'
import { type AwsAuth, type KnownArns, NO_MAPPINGS, parseAwsAuth, userOf } from './aws-auth.ts'
import { type Caller, callerOf, type StsRequest, stsRequestOf } from './sts-token.ts'

/** Sends what a token holds to STS. Rejects where STS cannot be reached. */
export type AskSts = (request: StsRequest) => Promise<{ readonly status: number; readonly text: string }>

export interface StsOptions {
  readonly cluster: string
  readonly emulator: string | undefined
  readonly known: KnownArns
  readonly store: StoreApi
  readonly ports: Ports
  readonly ask: AskSts
}

/**
 * How long a mapping is kept, in milliseconds: who is taken out of aws-auth comes in no longer after it. Who is put
 * into it comes in at once, since refusals are not kept.
 */
const KEPT_MS = 60_000
const MAX_KEPT = 1_000
const AWS_AUTH = 'kube-system/aws-auth'

interface Known {
  readonly caller: Caller
  /** Milliseconds since 1970. */
  readonly expires: number
  readonly user: UserInfo
  readonly mappedAt: number
}

export function stsTokens(options: StsOptions): TokenVerifier {
  const verifier = new StsVerifier(options)
  return { prefix: TOKEN_PREFIX, verify: (token) => verifier.verify(token) }
}

class StsVerifier {
  private readonly options: StsOptions
  private readonly known = new Map<string, Known>()
  private readonly asking = new Map<string, Promise<Caller | undefined>>()
  private auth: { readonly entry: Entry; readonly parsed: AwsAuth } | undefined

  constructor(options: StsOptions) {
    this.options = options
  }

  async verify(token: string): Promise<UserInfo | undefined> {
    const { cluster, emulator, known: arns, ports } = this.options
    const now = ports.clock.now()
    const known = this.known.get(token)
    if (known !== undefined) {
      if (known.expires > now && now - known.mappedAt < KEPT_MS) return known.user
      this.known.delete(token)
    }
    const request = stsRequestOf(token, { cluster, emulator, now })
    if (request === undefined) return undefined
    // Who the signer is does not change; what the cluster makes of it may.
    const caller = known?.caller ?? (await this.caller(token, request))
    if (caller === undefined) return undefined
    const user = userOf(caller, arns, NO_MAPPINGS) ?? userOf(caller, arns, await this.mappings())
    if (user === undefined) {
      ports.log.info({ arn: caller.arn }, 'aws-auth names no user for a principal')
      return undefined
    }
    this.keep(token, { caller, expires: request.expires, user, mappedAt: now })
    return user
  }

  private keep(token: string, known: Known): void {
    if (this.known.size >= MAX_KEPT) for (const oldest of this.known.keys()) if (this.known.delete(oldest)) break
    this.known.set(token, known)
  }

  /** Once for all who come with the same token at the same time. */
  private async caller(token: string, request: StsRequest): Promise<Caller | undefined> {
    const asking = this.asking.get(token) ?? this.ask(request).finally(() => this.asking.delete(token))
    this.asking.set(token, asking)
    return await asking
  }

  private async ask(request: StsRequest): Promise<Caller | undefined> {
    const { ask, ports } = this.options
    let answer: Awaited<ReturnType<AskSts>>
    try {
      answer = await ask(request)
    } catch (error) {
      ports.log.warn({ error }, 'STS could not be asked')
      throw unavailable()
    }
    if (answer.status >= 500 || answer.status === 429) throw unavailable()
    return answer.status === 200 ? callerOf(answer.text) : undefined
  }

  private async mappings(): Promise<AwsAuth> {
    const { store, ports } = this.options
    const entry = await store.get('configmaps', AWS_AUTH)
    if (entry === undefined) return NO_MAPPINGS
    if (this.auth?.entry.version === entry.version) return this.auth.parsed
    const { parse } = await import('yaml')
    const data = (entry.value.data ?? {}) as Record<string, string>
    const complain = (problem: string) => ports.log.warn({ configmap: AWS_AUTH, problem }, 'aws-auth has a mistake')
    const parsed = parseAwsAuth(data, (text) => parse(text), complain)
    this.auth = { entry, parsed }
    return parsed
  }
}

function unavailable(): ApiError {
  return new ApiError('ServiceUnavailable', 'STS does not answer who sent this request: please try again', {
    details: { retryAfterSeconds: 1 }
  })
}
