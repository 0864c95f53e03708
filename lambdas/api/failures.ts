/** The API's failures in Kubernetes' words (k8s.io/apimachinery/pkg/api/errors). */
import { ApiError } from '../../core/errors.ts'
import { goQuote } from '../../core/go-text.ts'
import { groupResource } from '../../core/kinds/kind.ts'
import type { Status } from '../../core/kinds/types.ts'

interface Named {
  readonly group: string
  readonly resource: string
}

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again'

export function badRequest(message: string): ApiError {
  return new ApiError('BadRequest', message)
}

export function notFound(kind: Named, name: string): ApiError {
  return new ApiError('NotFound', `${groupResource(kind)} ${goQuote(name)} not found`, { details: named(kind, name) })
}

export function alreadyExists(kind: Named, name: string): ApiError {
  return new ApiError('AlreadyExists', `${groupResource(kind)} ${goQuote(name)} already exists`, {
    details: named(kind, name)
  })
}

/** 409: the write can be tried again on the newest version. */
export function conflict(kind: Named, name: string, why: string = MODIFIED): ApiError {
  return new ApiError('Conflict', `Operation cannot be fulfilled on ${groupResource(kind)} ${goQuote(name)}: ${why}`, {
    details: named(kind, name)
  })
}

export function forbiddenFor(kind: Named, name: string, why: string): ApiError {
  return new ApiError('Forbidden', `${groupResource(kind)} ${goQuote(name)} is forbidden: ${why}`, {
    details: named(kind, name)
  })
}

/** A path below a served group and version that leads to no resource. */
export function noSuchResource(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource', { details: {} })
}

export function methodNotAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource', {
    details: {}
  })
}

/** 500, and why. */
export function internalError(why: string): ApiError {
  return new ApiError('InternalError', `Internal error occurred: ${why}`, { details: { causes: [{ message: why }] } })
}

export function tooLarge(limitBytes: number): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${limitBytes}`)
}

/** 504: the client has seen a version that this server has not; it may ask again in a second. */
export function tooLargeVersion(asked: number, current: number): ApiError {
  return new ApiError('Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1
    }
  })
}

/** 422 without any word of what was wrong. */
export function unprocessable(): ApiError {
  return new ApiError('Invalid', 'the server rejected our request due to an error in our request', { details: {} })
}

/**
 * Errors that Kubernetes' storage returns bare: a Status without a reason. There each is a 500; here what a client did
 * wrong is a 400, so that a 5xx always means a fault of ours. `code` is for an answer that recordings hold.
 */
export class BareError extends ApiError {
  constructor(message: string, code = 400) {
    super('InternalError', message, { code })
  }

  override toStatus(): Status {
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: this.message, code: this.code }
  }
}

/** 410 for a page whose snapshot is gone, with the token by which the rest can be had as it is now. */
export class ExpiredPage extends ApiError {
  private readonly restart: string

  constructor(message: string, restart: string) {
    super('Expired', message)
    this.restart = restart
  }

  override toStatus(): Status {
    return { ...super.toStatus(), metadata: { continue: this.restart } }
  }
}

function named(kind: Named, name: string) {
  return { ...(name === '' ? {} : { name }), ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource }
}
