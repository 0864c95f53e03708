/** PUT namespaces/NAME/finalize: who has emptied the namespace takes its name off spec.finalizers. */
import type { Path } from '../update.ts'
import { wholeObject } from './whole.ts'

const path: Path = {
  prepare: (next, old) => {
    const { finalizers } = (next.spec ?? {}) as { finalizers?: readonly string[] }
    const { finalizers: _, ...rest } = (old.spec ?? {}) as { finalizers?: readonly string[] }
    const spec = finalizers === undefined || finalizers.length === 0 ? rest : { ...rest, finalizers }
    return { ...next, spec, status: old.status }
  },
  validate: () => [],
  counts: false
}

export const finalize = wholeObject(() => path)
