/** The bearer token of this instance's role, signed anew well before it ends. */
import { type AwsCredentials, signToken, TOKEN_LIFE_MS } from '../../core/aws-token.ts'
import type { Ports } from '../../core/ports.ts'

export interface TokenSource {
  token(): Promise<string>
  /** The one that it has is of no use. */
  renew(): void
}

export interface TokenOptions {
  readonly cluster: string
  readonly region: string
  /** The instance role's; they change every few hours, and their source renews them by itself. */
  readonly credentials: () => Promise<AwsCredentials>
  /** An emulator's URL. */
  readonly endpoint?: string | undefined
  readonly ports: Ports
}

/** A token is used for so long of its life: a request that takes it still has minutes to arrive. */
const USED_MS = TOKEN_LIFE_MS * (2 / 3)

export function tokenSource({ cluster, region, credentials, endpoint, ports }: TokenOptions): TokenSource {
  let current: { readonly text: Promise<string>; readonly until: number } | undefined
  const sign = async () =>
    await signToken({ cluster, region, credentials: await credentials(), endpoint, now: ports.clock.now() })
  return {
    async token() {
      if (current === undefined || ports.clock.now() >= current.until) {
        current = { text: sign(), until: ports.clock.now() + USED_MS }
      }
      const mine = current
      try {
        return await mine.text
      } catch (error) {
        if (current === mine) current = undefined
        throw error
      }
    },
    renew() {
      current = undefined
    }
  }
}
