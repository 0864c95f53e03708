/** pods/NAME/ephemeralcontainers: only adds ephemeral containers. */
import { forbidden } from '../../../core/field-errors.ts'
import { goQuote } from '../../../core/go-text.ts'
import type { PodSpec } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { sameJson } from '../copy.ts'
import type { Path } from '../update.ts'
import { wholeObject } from './whole.ts'

const FIELD = 'spec.ephemeralContainers'

function containersOf(pod: KubeObject): NonNullable<PodSpec['ephemeralContainers']> {
  return (pod.spec as PodSpec | undefined)?.ephemeralContainers ?? []
}

export const ephemeralContainers = wholeObject(({ rules }): Path => {
  return {
    prepare: (next, old) => {
      const containers = containersOf(next)
      const spec = { ...(old.spec as PodSpec), ephemeralContainers: containers }
      return { ...old, metadata: { ...old.metadata }, spec }
    },
    validate: (next, old) => {
      const errors = [...(rules.validate?.(next) ?? [])]
      const now = containersOf(next)
      for (const before of containersOf(old)) {
        const same = now.find(({ name }) => name === before.name)
        if (same === undefined)
          errors.push(forbidden(FIELD, `existing ephemeral containers ${goQuote(before.name)} may not be removed\n`))
        else if (!sameJson(same, before))
          errors.push(forbidden(FIELD, `existing ephemeral containers ${goQuote(before.name)} may not be changed`))
      }
      return errors
    },
    counts: true
  }
})
