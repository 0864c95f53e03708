import type { Kind } from './kind.ts'
import { row } from './row.ts'

/** Resources that are never stored: a creation is a question that the API answers at once. */
export const virtualKinds: readonly Kind[] = [
  row('v1', 'bindings'),
  row('authentication.k8s.io/v1', 'selfsubjectreviews'),
  row('authentication.k8s.io/v1', 'tokenreviews'),
  row('authorization.k8s.io/v1', 'localsubjectaccessreviews'),
  row('authorization.k8s.io/v1', 'selfsubjectaccessreviews'),
  row('authorization.k8s.io/v1', 'selfsubjectrulesreviews'),
  row('authorization.k8s.io/v1', 'subjectaccessreviews')
]
