import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, invalid } from '../field-errors.ts'
import { isDNS1123Label } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkLabels, complaints, IMMUTABLE } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { Kind } from './kind.ts'
import { checkTolerations } from './pod-scheduling.ts'
import { roundResources } from './resource-lists.ts'
import { checkRequirements } from './resource-rules.ts'
import { row } from './row.ts'
import type { RuntimeClass } from './types.ts'

const asClass = (object: KubeObject) => object as unknown as RuntimeClass

function validateClass(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { handler, overhead, scheduling } = asClass(object)
  errors.push(...complaints('handler', handler, isDNS1123Label(handler)))
  if (overhead !== undefined)
    checkRequirements({ limits: overhead.podFixed }, 'overhead', { errors, claims: new Set() })
  if (scheduling === undefined) return errors
  const { nodeSelector, tolerations = [] } = scheduling
  checkLabels(nodeSelector, 'scheduling.nodeSelector', errors)
  checkTolerations(tolerations, 'scheduling.tolerations', errors)
  const seen = new Set<string>()
  tolerations.forEach((toleration, i) => {
    const { key = '', operator = '', value = '', effect = '' } = toleration
    const identity = JSON.stringify([key, operator, value, effect])
    if (seen.has(identity)) errors.push(duplicate(`scheduling.tolerations[${i}]`, goStruct('Toleration', toleration)))
    seen.add(identity)
  })
  return errors
}

export const runtimeClassKinds: readonly Kind[] = [
  row('node.k8s.io/v1', 'runtimeclasses', {
    defaults: (object) => roundResources(asClass(object).overhead?.podFixed),
    // An update is not checked again but for its handler.
    validate: (object, old) => (old === undefined ? validateClass(object) : []),
    validateUpdate: (next, old) => {
      const { handler } = asClass(next)
      return handler === asClass(old).handler ? [] : [invalid('handler', handler, IMMUTABLE)]
    },
    cells: (object, now) => {
      const { metadata, handler } = asClass(object)
      return [metadata.name ?? '', handler, age(metadata.creationTimestamp, now)]
    }
  })
]
