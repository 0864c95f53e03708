/** Runs the admission plugins, in their order. */
import type { Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import type { DeleteSettings } from './options.ts'
import { deleteOptionsObject, writeOptionsObject } from './options-objects.ts'
import type { AdmissionRequest, ApiContext, ResourceRequest } from './types.ts'

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
    options: () =>
      what.deletion === undefined ? writeOptionsObject(at.request, what.operation) : deleteOptionsObject(what.deletion),
    warn: (text) => at.notes?.warn(text),
    annotate: (key, value) => at.notes?.annotate(key, value),
    store: context.store,
    ports: context.ports
  }
  for (const plugin of context.admission) await plugin[phase]?.(request)
}
