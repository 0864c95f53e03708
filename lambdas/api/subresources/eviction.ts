/** POST pods/NAME/eviction: a deletion that asks first. Without disruption budgets it is never refused. */
import type { ApiResponse } from '../../../core/http.ts'
import { decode } from '../../../core/validate.ts'
import { success, valueAnswer, warningHeader } from '../answers.ts'
import { bodyOf, readObject } from '../body.ts'
import { decoding } from '../create.ts'
import { deleteObject } from '../delete.ts'
import { badRequest } from '../failures.ts'
import { ensureNamespace } from '../metadata.ts'
import { deleteSettings, writeOptions } from '../options.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'

const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction', schema: 'io.k8s.api.policy.v1.Eviction' }

export async function eviction(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const body = await bodyOf(at.request)
  const options = writeOptions(at.request.query, 'CreateOptions')
  const { object, warnings } = decode(EVICTION, readObject(body, EVICTION, ['policy/v1beta1']), decoding(options, body))
  ensureNamespace(object.metadata, at.namespace)
  if (object.metadata.name !== at.name) throw badRequest('name in URL does not match name in Eviction object')
  const settings = deleteSettings((object.deleteOptions ?? {}) as Record<string, unknown>, at.request.query)
  await deleteObject(at, context, { ...settings, dryRun: settings.dryRun || options.dryRun })
  return valueAnswer(201, success(201), warningHeader(warnings))
}
