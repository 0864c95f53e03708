import type { Status, StatusCause } from './kinds/types.ts'

/** The closed set of failures, by Kubernetes' own reasons (metav1.StatusReason), and the HTTP code of each. */
export const REASON_CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504
} as const

export type Reason = keyof typeof REASON_CODES

export interface ApiErrorDetails {
  name?: string | undefined
  group?: string | undefined
  kind?: string | undefined
  uid?: string | undefined
  causes?: StatusCause[] | undefined
  retryAfterSeconds?: number | undefined
}

/** The one failure of the API, the store and the client. `toStatus` is what a client of Kubernetes sees. */
export class ApiError extends Error {
  readonly reason: Reason
  readonly details: ApiErrorDetails | undefined
  /** Overrides the reason's usual HTTP code, where Kubernetes does. */
  readonly code: number

  constructor(reason: Reason, message: string, options: { details?: ApiErrorDetails | undefined; code?: number } = {}) {
    super(message)
    this.name = 'ApiError'
    this.reason = reason
    this.details = options.details
    this.code = options.code ?? REASON_CODES[reason]
  }

  toStatus(): Status {
    const status: Status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason
    }
    if (this.details !== undefined) status.details = this.details
    status.code = this.code
    return status
  }

  static fromStatus(status: Status): ApiError {
    const reason =
      status.reason !== undefined && Object.hasOwn(REASON_CODES, status.reason)
        ? (status.reason as Reason)
        : 'InternalError'
    return new ApiError(reason, status.message ?? reason, {
      details: status.details as ApiErrorDetails | undefined,
      code: status.code ?? REASON_CODES[reason]
    })
  }
}

export function isReason(error: unknown, ...reasons: Reason[]): error is ApiError {
  return error instanceof ApiError && reasons.includes(error.reason)
}

/** One wrong field, in the words of k8s.io/apimachinery/pkg/util/validation/field. */
export interface FieldError {
  readonly type: FieldErrorType
  /** As in "spec.containers[0].image". */
  readonly field: string
  readonly value?: unknown
  readonly detail?: string
}

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueDuplicate'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueNotFound'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError'
