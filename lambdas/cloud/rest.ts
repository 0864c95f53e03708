/** When a clock's tick has nothing to look at: an idle cluster pays for the question alone, half a read unit. */
import type { Glance } from '../../store/backends/dynamodb-glance.ts'

export interface RestOptions {
  readonly glance: Glance
  /** What is looked at each time. */
  readonly resource: string
  /** Whether there is none of it that a tick could matter to; asked anew when the resource has changed. */
  readonly isEmpty: () => Promise<boolean>
}

/** True: nothing was there at the last look, and nothing has changed since. A change a second ago may be missed, once. */
export function rests({ glance, resource, isEmpty }: RestOptions): () => Promise<boolean> {
  let known: { readonly version: number; readonly empty: boolean } | undefined
  return async () => {
    const version = await glance(resource)
    if (known?.version !== version) known = { version, empty: await isEmpty() }
    return known.empty
  }
}
