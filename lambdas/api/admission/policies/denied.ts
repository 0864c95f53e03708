/** A validating policy's refusal. */
import { ApiError, REASON_CODES, type Reason } from '../../../../core/errors.ts'
import type { AdmissionRequest } from '../../types.ts'
import { refuse } from '../refuse.ts'

export class Denied {
  readonly policy: string
  readonly binding: string | undefined
  readonly message: string
  readonly reason: string

  constructor(policy: string, binding: string | undefined, message: string, reason = 'Invalid') {
    this.policy = policy
    this.binding = binding
    this.message = message
    this.reason = reason
  }
}

export function deniedByPolicy(request: AdmissionRequest, denied: Denied): ApiError {
  const { policy, binding, message } = denied
  const by = binding === undefined ? `'${policy}'` : `'${policy}' with binding '${binding}'`
  const what = `ValidatingAdmissionPolicy ${by} denied request: ${message}`
  const error = refuse(request, what, [{ message: what }])
  const reason = (Object.hasOwn(REASON_CODES, denied.reason) ? denied.reason : 'Invalid') as Reason
  return new ApiError(reason, error.message, { details: error.details })
}
