import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type { Lease } from './types.ts'

const lease = (object: KubeObject) => object as Lease

function validateLease(object: KubeObject): FieldError[] {
  const { leaseDurationSeconds, leaseTransitions } = lease(object).spec ?? {}
  const errors: FieldError[] = []
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0)
    errors.push(invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'))
  if (leaseTransitions !== undefined && leaseTransitions < 0)
    errors.push(invalid('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0'))
  return errors
}

export const coordinationKinds: readonly Kind[] = [
  row('coordination.k8s.io/v1', 'leases', {
    defaults: (object) => {
      object.spec ??= {}
      // Fields of coordinated leader election, which 1.35 leaves off.
      const { spec = {} } = lease(object)
      delete spec.strategy
      delete spec.preferredHolder
    },
    validate: validateLease,
    anyFinalizer: true,
    cells: (object, now) => {
      const { metadata, spec } = lease(object)
      return [metadata.name ?? '', spec?.holderIdentity ?? '', age(metadata.creationTimestamp, now)]
    }
  })
]
