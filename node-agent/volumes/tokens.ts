/** Service account tokens for the pods of this node, each bound to its pod and renewed in time. */
import type { Client } from '../../core/client.ts'
import { serviceAccounts } from '../../core/kinds/refs.ts'
import type { Pod, ServiceAccountTokenProjection } from '../../core/kinds/types.ts'
import type { Ports } from '../../core/ports.ts'

const DEFAULT_SECONDS = 3600
/** A token is renewed when so much of its life is over, and at the latest after a day (kubelet's token manager). */
const RENEW_AT = 0.8
const LONGEST_MS = 24 * 3_600_000

interface Token {
  readonly text: string
  /** Milliseconds since 1970. */
  readonly renewAt: number
  readonly expiresAt: number
}

export interface TokenSource {
  /** The current token, requested or renewed where needed. Throws ApiError. */
  token(pod: Pod, projection: ServiceAccountTokenProjection): Promise<string>
  /** When the first token of the pod wants renewal; undefined: it has none. */
  renewAt(podUid: string): number | undefined
  forget(podUid: string): void
}

export function createTokens(client: Client, ports: Ports): TokenSource {
  const pods = new Map<string, Map<string, Token>>()
  return {
    token: async (pod, projection) => {
      const uid = pod.metadata.uid ?? ''
      const key = `${projection.audience ?? ''}|${projection.expirationSeconds ?? DEFAULT_SECONDS}`
      const known = pods.get(uid)?.get(key)
      const { now } = ports.clock
      if (known !== undefined && now() < known.renewAt) return known.text
      try {
        const token = await request(client, pod, { ...projection, now: now() })
        const tokens = pods.get(uid) ?? new Map<string, Token>()
        pods.set(uid, tokens.set(key, token))
        return token.text
      } catch (error) {
        // The old one still serves until it ends.
        if (known !== undefined && now() < known.expiresAt) return known.text
        throw error
      }
    },
    renewAt: (uid) => {
      const times = [...(pods.get(uid)?.values() ?? [])].map((token) => token.renewAt)
      return times.length === 0 ? undefined : Math.min(...times)
    },
    forget: (uid) => {
      pods.delete(uid)
    }
  }
}

async function request(
  client: Client,
  pod: Pod,
  want: ServiceAccountTokenProjection & { readonly now: number }
): Promise<Token> {
  const { name = '', namespace = '', uid = '' } = pod.metadata
  const account = pod.spec?.serviceAccountName ?? 'default'
  const answer = (await client.createSubresource(
    serviceAccounts,
    { namespace, name: account, subresource: 'token' },
    {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {},
      spec: {
        audiences: want.audience === undefined || want.audience === '' ? [] : [want.audience],
        expirationSeconds: want.expirationSeconds ?? DEFAULT_SECONDS,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid }
      }
    }
  )) as { readonly status: { readonly token: string; readonly expirationTimestamp: string } }
  const expiresAt = Date.parse(answer.status.expirationTimestamp)
  const life = expiresAt - want.now
  return { text: answer.status.token, expiresAt, renewAt: want.now + Math.min(life * RENEW_AT, LONGEST_MS) }
}
