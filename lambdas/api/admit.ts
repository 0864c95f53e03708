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
    round: { second: false, again: false, state: new Map() },
    ...(what.deletion?.collection === true ? { collection: true } : {}),
    options: () =>
      what.deletion === undefined ? writeOptionsObject(at.request, what.operation) : deleteOptionsObject(what.deletion),
    warn: (text) => at.notes?.warn(text),
    annotate: (key, value) => at.notes?.annotate(key, value),
    store: context.store,
    ports: context.ports
  }
  if (phase === 'mutate') return await mutate(request, context.admission)
  for (const plugin of context.admission) if (plugin.validate !== undefined) await plugin.validate(request)
}

async function mutate(request: AdmissionRequest, plugins: readonly AdmissionPlugin[]): Promise<void> {
  for (const plugin of plugins) if (plugin.mutate !== undefined) await plugin.mutate(request)
  if (request.round.again) {
    request.round.second = true
    for (const plugin of plugins) if (plugin.mutate !== undefined) await plugin.mutate(request)
  }
  for (const plugin of plugins) if (plugin.complete !== undefined) await plugin.complete(request)
}
