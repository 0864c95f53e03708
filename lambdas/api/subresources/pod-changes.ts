/** pods/NAME/ephemeralcontainers and pods/NAME/resize: each changes one part of the pod, and nothing else. */
import { podChanges } from '../../../core/kinds/pods.ts'
import type { Pod } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import type { ResourceHandler } from '../types.ts'
import { wholeObject } from './whole.ts'

const asPod = (object: KubeObject) => object as unknown as Pod

function podChange(name: keyof typeof podChanges): ResourceHandler {
  const { prepare, validate } = podChanges[name]
  return wholeObject(() => ({
    prepare: (next, old) => {
      prepare(asPod(next), asPod(old))
      return { ...old, metadata: { ...old.metadata }, spec: next.spec }
    },
    validate: (next, old) => validate(asPod(next), asPod(old)),
    counts: true
  }))
}

export const ephemeralContainers = podChange('ephemeralcontainers')
export const resize = podChange('resize')
