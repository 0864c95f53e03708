/** POST and GET of pods/NAME/exec, attach and portforward: refused by name, after what Kubernetes checks first. */
import { ApiError } from '../../../core/errors.ts'
import type { Pod } from '../../../core/kinds/types.ts'
import { badRequest, notFound } from '../failures.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'
import { containerOf } from './log.ts'

export async function refuseStream(at: ResourceRequest, { store }: ApiContext): Promise<never> {
  const { kind, namespace = '', name = '', subresource = '', request } = at
  const entry = await store.get(kind.storage, `${namespace}/${name}`)
  if (entry === undefined) throw notFound(kind, name)
  const pod = entry.value as unknown as Pod
  if (subresource !== 'portforward') containerOf(pod, request.query.get('container') ?? '')
  if ((pod.spec?.nodeName ?? '') === '') throw badRequest(`pod ${name} does not have a host assigned`)
  throw new ApiError('MethodNotAllowed', `${subresource} of pods is not supported yet`)
}
