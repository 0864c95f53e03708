/** GET, PUT and PATCH certificatesigningrequests/NAME/approval: whether it shall be signed. */
import { approval as rules } from '../../../core/kinds/certificates.ts'
import { wholeObject } from './whole.ts'

export const approval = wholeObject(() => ({
  prepare: (next, old, { ports }) => {
    rules.prepare(next, old, ports.clock.now())
    return next
  },
  validate: rules.validate,
  counts: false
}))
