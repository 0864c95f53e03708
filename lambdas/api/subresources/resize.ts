/** pods/NAME/resize: changes what the containers request and may use, and nothing else. */
import { forbidden, invalid } from '../../../core/field-errors.ts'
import { qosClass } from '../../../core/kinds/pod-qos.ts'
import type { Container, Pod, PodSpec } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { sameJson } from '../copy.ts'
import type { Path } from '../update.ts'
import { wholeObject } from './whole.ts'

const RESIZABLE = new Set(['cpu', 'memory'])

export const resize = wholeObject(({ rules }): Path => {
  return {
    prepare: (next, old) => {
      const spec = old.spec as PodSpec
      const asked = next.spec as PodSpec
      return {
        ...old,
        metadata: { ...old.metadata },
        spec: { ...spec, containers: spec.containers.map((container) => resized(container, asked)) }
      }
    },
    validate: (next, old) => {
      const errors = [...(rules.validate?.(next) ?? [])]
      if (errors.length > 0) return errors
      const before = qosClass(old as unknown as Pod)
      if (qosClass(next as unknown as Pod) !== before) {
        errors.push(invalid('spec', before, 'Pod QOS Class may not change as a result of resizing'))
      }
      if (!onlyResizable(next, old)) errors.push(forbidden('spec', 'only cpu and memory resources are mutable'))
      return errors
    },
    counts: true
  }
})

function resized(container: Container, { containers }: PodSpec): Container {
  const asked = containers.find(({ name }) => name === container.name)
  if (asked === undefined) return container
  const { resources, resizePolicy } = asked
  return {
    ...container,
    ...(resources === undefined ? {} : { resources }),
    ...(resizePolicy === undefined ? {} : { resizePolicy })
  }
}

function onlyResizable(next: KubeObject, old: KubeObject): boolean {
  return sameJson(otherResources(next), otherResources(old))
}

function otherResources(pod: KubeObject): unknown {
  return (pod.spec as PodSpec).containers.map(({ resources }) =>
    [resources?.requests, resources?.limits].map((list) =>
      Object.entries(list ?? {})
        .filter(([name]) => !RESIZABLE.has(name))
        .sort()
    )
  )
}
