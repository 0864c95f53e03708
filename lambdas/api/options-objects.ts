/** A request's options as the objects of meta.k8s.io/v1 that admission webhooks and policies see. */
import type { ApiRequest } from '../../core/http.ts'
import type { JsonObject } from '../../core/json.ts'
import type { DeleteSettings } from './options.ts'

const apiVersion = 'meta.k8s.io/v1'

/** A PATCH is a creation or an update to those who see it. */
export function writeOptionsObject({ query }: ApiRequest, operation: string): JsonObject {
  const kind = operation === 'CREATE' ? 'CreateOptions' : 'UpdateOptions'
  const dryRun = query.getAll('dryRun').filter((value) => value !== '')
  const { fieldManager, fieldValidation } = Object.fromEntries(query)
  return {
    kind,
    apiVersion,
    ...(dryRun.length > 0 ? { dryRun } : {}),
    ...(fieldManager ? { fieldManager } : {}),
    ...(fieldValidation ? { fieldValidation } : {})
  }
}

export function deleteOptionsObject(settings: DeleteSettings): JsonObject {
  const { dryRun, gracePeriodSeconds, orphanDependents, propagationPolicy, uid, resourceVersion } = settings
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion })
  }
  return {
    kind: 'DeleteOptions',
    apiVersion,
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(Object.keys(preconditions).length > 0 ? { preconditions } : {}),
    ...(orphanDependents === undefined ? {} : { orphanDependents }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(dryRun ? { dryRun: ['All'] } : {})
  }
}
