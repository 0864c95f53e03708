/** What goes wrong with a webhook, in Kubernetes' words. */
import { ApiError } from '../../../../core/errors.ts'
import { goQuote } from '../../../../core/go-text.ts'
import { isObject, type JsonObject } from '../../../../core/json.ts'
import type { Status } from '../../../../core/kinds/types.ts'
import { badRequest } from '../../failures.ts'

/** The webhook was not asked, or did not answer as it should: its failure policy says what that means. */
export class CallError extends Error {
  constructor(webhook: string, why: string) {
    super(`failed calling webhook ${goQuote(webhook)}: ${why}`)
  }
}

/** A refusal with whatever status the webhook gave. */
class Rejection extends ApiError {
  private readonly status: Status

  constructor(status: Status) {
    super('InternalError', status.message ?? '', { code: status.code ?? 400 })
    this.status = status
  }

  override toStatus(): Status {
    return this.status
  }
}

export function rejection(webhook: string, given: JsonObject | undefined): ApiError {
  const who = `admission webhook ${goQuote(webhook)} denied the request`
  const { message, reason, details, code = 0 } = given ?? {}
  const why = message || reason
  return new Rejection({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: why ? `${who}: ${String(why)}` : `${who} without explanation`,
    ...(reason ? { reason: String(reason) } : {}),
    ...(isObject(details) ? { details } : {}),
    code: Math.max(Number(code), 400)
  })
}

export function noDryRun(webhook: string): ApiError {
  return badRequest(`admission webhook ${goQuote(webhook)} does not support dry run`)
}
