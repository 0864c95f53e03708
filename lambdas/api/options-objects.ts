/** A request's options as the objects of meta.k8s.io/v1 that admission webhooks and policies see. */
import type { ApiRequest } from '../../core/http.ts'
import type { JsonObject } from '../../core/json.ts'
import type { DeleteSettings } from './options.ts'
import { truthy } from './route.ts'

const apiVersion = 'meta.k8s.io/v1'

/** An object that is created by a PATCH or a PUT is so with CreateOptions. */
export function writeOptionsObject({ method, query }: ApiRequest, operation: string): JsonObject {
  const patched = method === 'PATCH' && operation !== 'CREATE'
  const kind = operation === 'CREATE' ? 'CreateOptions' : patched ? 'PatchOptions' : 'UpdateOptions'
  const dryRun = query.getAll('dryRun').filter((value) => value !== '')
  const { fieldManager, fieldValidation } = Object.fromEntries(query)
  return {
    kind,
    apiVersion,
    ...(dryRun.length > 0 ? { dryRun } : {}),
    ...(patched && query.has('force') ? { force: truthy(query.get('force')) } : {}),
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
