import { age } from '../duration.ts'
import { invalid, required } from '../field-errors.ts'
import { isObject, sameJson } from '../json.ts'
import { controllerOf, type KubeObject } from '../object.ts'
import { IMMUTABLE, NEGATIVE } from './checks.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type { ControllerRevision } from './types.ts'

const revision = (object: KubeObject) => object as unknown as ControllerRevision

/** "statefulset.apps/web". */
function controllerCell(object: KubeObject): string {
  const owner = controllerOf(object)
  if (owner === undefined) return '<none>'
  const slash = owner.apiVersion.indexOf('/')
  const group = slash < 0 ? '' : `.${owner.apiVersion.slice(0, slash)}`
  return `${`${owner.kind}${group}`.toLowerCase()}/${owner.name}`
}

export const revisionKinds: readonly Kind[] = [
  row('apps/v1', 'controllerrevisions', {
    validate: (object) => {
      const { revision: number } = revision(object)
      return number < 0 ? [invalid('revision', number, NEGATIVE)] : []
    },
    validateCreate: (object) => {
      const { data } = revision(object)
      if (data === undefined) return [required('data', 'data is mandatory')]
      return isObject(data) ? [] : [required('data', 'data must be a valid JSON object')]
    },
    validateUpdate: (next, old) =>
      sameJson(next.data, old.data) ? [] : [invalid('data', next.data ?? null, IMMUTABLE)],
    cells: (object, now) => {
      const { metadata, revision: number } = revision(object)
      return [metadata.name ?? '', controllerCell(object), number, age(metadata.creationTimestamp, now)]
    }
  })
]
