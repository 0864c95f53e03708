/** Runs the admission plugins, in their order. */
import type { Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import type { DeleteSettings } from './options.ts'
import { deleteOptionsObject, writeOptionsObject } from './options-objects.ts'
import type { AdmissionPlugin, AdmissionRequest, ApiContext, ResourceRequest } from './types.ts'

export interface Admitted {
  readonly operation: AdmissionRequest['operation']
  /** Where it is not the request's own: what the request leads to is judged under another name or resource. */
  readonly kind?: Kind
  readonly name: string | undefined
  readonly object: KubeObject | undefined
  readonly old: KubeObject | undefined
  readonly dryRun: boolean
  /** Of a deletion: what its body and query come to. */
  readonly deletion?: DeleteSettings
}

export async function admit(
  phase: 'mutate' | 'validate',
  at: ResourceRequest,
  { context, what }: { context: ApiContext; what: Admitted }
): Promise<void> {
  if (context.admission.length === 0) return
  const request: AdmissionRequest = {
    kind: at.kind,
    ...what,
    subresource: at.subresource,
    namespace: at.namespace,
    user: at.user,
    round: { second: false, again: false, state: undefined },
    ...(what.deletion?.collection === true ? { collection: true } : {}),
    options: () =>
      what.deletion === undefined ? writeOptionsObject(at.request, what.operation) : deleteOptionsObject(what.deletion),
    warn: (text) => at.notes?.warn(text),
    annotate: (key, value) => at.notes?.annotate(key, value),
    store: context.store,
    ports: context.ports
  }
  const hooks = hooksFor(context.admission, request.kind.storage)
  if (phase === 'mutate') return await mutate(request, hooks)
  for (const plugin of hooks.validate) await plugin.validate?.(request)
}

async function mutate(request: AdmissionRequest, hooks: Hooks): Promise<void> {
  for (const plugin of hooks.mutate) await plugin.mutate?.(request)
  if (request.round.again) {
    request.round.second = true
    for (const plugin of hooks.mutate) await plugin.mutate?.(request)
  }
  for (const plugin of hooks.complete) await plugin.complete?.(request)
}

/** The plugins that have something to do with a resource, by what they do. */
type Hooks = Readonly<Record<'mutate' | 'complete' | 'validate', readonly AdmissionPlugin[]>>

const known = new WeakMap<readonly AdmissionPlugin[], Map<string, Hooks>>()

function hooksFor(plugins: readonly AdmissionPlugin[], storage: string): Hooks {
  let byStorage = known.get(plugins)
  if (byStorage === undefined) {
    byStorage = new Map()
    known.set(plugins, byStorage)
  }
  let hooks = byStorage.get(storage)
  if (hooks === undefined) {
    const about = plugins.filter(({ resources }) => resources === undefined || resources.includes(storage))
    hooks = {
      mutate: about.filter((plugin) => plugin.mutate !== undefined),
      complete: about.filter((plugin) => plugin.complete !== undefined),
      validate: about.filter((plugin) => plugin.validate !== undefined)
    }
    byStorage.set(storage, hooks)
  }
  return hooks
}
