import { ApiError } from '../../../core/errors.ts'
import { goQuote } from '../../../core/go-text.ts'
import { groupResource } from '../../../core/kinds/kind.ts'
import type { StatusCause } from '../../../core/kinds/types.ts'
import type { AdmissionRequest } from '../types.ts'

/** The 403 of an admission plugin: `pods "a" is forbidden: ...`. */
export function refuse(request: AdmissionRequest, why: string, causes?: StatusCause[]): ApiError {
  const { kind } = request
  const name = nameOf(request)
  return new ApiError('Forbidden', `${groupResource(kind)} ${goQuote(name)} is forbidden: ${why}`, {
    details: {
      name,
      ...(kind.group === '' ? {} : { group: kind.group }),
      kind: kind.resource,
      ...(causes === undefined ? {} : { causes })
    }
  })
}

/** Before a name is generated, messages show what it begins with. */
export function nameOf(request: AdmissionRequest): string {
  const { name, object } = request
  if (name !== undefined && name !== '') return name
  return object?.metadata.name || object?.metadata.generateName || 'Unknown'
}

/** `namespaces "x" not found` */
export function missing(kind: { readonly group: string; readonly resource: string }, name: string): ApiError {
  return new ApiError('NotFound', `${groupResource(kind)} ${goQuote(name)} not found`, {
    details: { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource }
  })
}
