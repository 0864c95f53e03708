/** Validation of resources that are set for the pod as a whole. */
import { forbidden, invalid } from '../field-errors.ts'
import { canonicalQuantity, compareQuantity, parseQuantity, quantityText, ZERO } from '../quantity.ts'
import { aggregateRequests } from './pod-resources.ts'
import { checkRequirements, isPodLevelResource, type RequirementScope } from './resource-rules.ts'
import type { PodSpec } from './types.ts'

export function checkPodLevelResources(spec: PodSpec, path: string, scope: RequirementScope): void {
  const { resources } = spec
  if (resources === undefined) return
  const { errors } = scope
  if (resources.claims !== undefined)
    errors.push(forbidden(`${path}.claims`, 'claims may not be set for Resources at pod-level'))
  checkRequirements(resources, path, { ...scope, podLevel: true })
  for (const [name, needed] of aggregateRequests(spec)) {
    if (!isPodLevelResource(name)) continue
    const given = resources.requests?.[name]
    const amount = given === undefined ? ZERO : parseQuantity(given)
    if (compareQuantity(needed, amount) > 0)
      errors.push(
        invalid(
          `${path}.requests[${name}]`,
          given === undefined ? '0' : canonicalQuantity(given),
          `must be greater than or equal to aggregate container requests of ${quantityText(needed)}`
        )
      )
  }
  spec.containers?.forEach((container, i) => {
    const limits = container.resources?.limits
    for (const name in limits) {
      const limit = limits[name]
      const ofPod = resources.limits?.[name]
      if (limit === undefined || ofPod === undefined) continue
      if (compareQuantity(parseQuantity(limit), parseQuantity(ofPod)) > 0)
        errors.push(
          invalid(
            `${path}.containers[${i}][${name}].limits`,
            canonicalQuantity(limit),
            `must be less than or equal to pod limits of ${canonicalQuantity(ofPod)}`
          )
        )
    }
  })
}
