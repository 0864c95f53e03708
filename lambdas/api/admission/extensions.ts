/** What users add to admission: webhooks. They come after all plugins but quotas. */
import type { Kind } from '../../../core/kinds/kind.ts'
import type { Ports } from '../../../core/ports.ts'
import type { StoreApi } from '../../../store/store.ts'
import type { AdmissionPlugin } from '../types.ts'
import type { Equivalents } from './matching.ts'
import { createPost } from './webhooks/call.ts'
import type { Calling } from './webhooks/dispatch.ts'
import { mutatingHooks, validatingHooks } from './webhooks/hooks.ts'
import { mutatingWebhooks } from './webhooks/mutating.ts'
import { validatingWebhooks } from './webhooks/validating.ts'

export interface ExtensionOptions {
  readonly store: StoreApi
  readonly ports: Ports
  /** All resources that are served now. */
  readonly kinds: () => readonly Kind[]
}

export function admissionExtensions(options: ExtensionOptions): readonly AdmissionPlugin[] {
  const { store } = options
  const how: Calling = {
    post: createPost(options),
    equivalents: equivalentsIn(options.kinds),
    conditions: () => {
      throw new Error('not yet')
    }
  }
  return [mutatingWebhooks(mutatingHooks(store), how), validatingWebhooks(validatingHooks(store), how)]
}

function equivalentsIn(kinds: () => readonly Kind[]): Equivalents {
  let known: ReadonlyMap<string, readonly Kind[]> = new Map()
  let from: readonly Kind[] | undefined
  return ({ storage }) => {
    const all = kinds()
    if (all !== from) {
      known = Map.groupBy(all, (kind) => kind.storage)
      from = all
    }
    return known.get(storage) ?? []
  }
}
