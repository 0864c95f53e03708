/** Fields of features that Kubernetes 1.35 leaves off: what a client sends there is dropped, not refused. */
import { isObject } from '../json.ts'
import type { KubeObject } from '../object.ts'

/** Drops the fields at these paths; "[]" stands for every item of a list, "{}" for every value of a map. */
export function dropFields(object: KubeObject, paths: readonly string[]): void {
  for (const path of paths) drop(object, path.split('.'))
}

function drop(value: unknown, steps: readonly string[]): void {
  const [step = '', ...rest] = steps
  if (Array.isArray(value)) {
    for (const item of value) drop(item, steps)
    return
  }
  if (!isObject(value)) return
  if (rest.length === 0) {
    delete value[step]
    return
  }
  if (step === '{}') for (const item of Object.values(value)) drop(item, rest)
  else drop(value[step.replace('[]', '')], rest)
}
