/** ValidatingAdmissionWebhook: all that are concerned are asked at once; the first of them to refuse is heard. */
import type { Kind } from '../../../../core/kinds/kind.ts'
import { internalError } from '../../answers.ts'
import type { AdmissionPlugin } from '../../types.ts'
import type { Followed } from '../followed.ts'
import { isExempt } from '../matching.ts'
import { ask, type Calling, wantedAs } from './dispatch.ts'
import { CallError } from './failures.ts'
import type { Hook } from './hooks.ts'

const FAILED_OPEN = 'failed-open.validating.webhook.admission.k8s.io/'

export function validatingWebhooks(hooks: Followed<readonly Hook[]>, how: Calling): AdmissionPlugin {
  return {
    name: 'ValidatingAdmissionWebhook',
    async validate(request) {
      const present = hooks.current()
      const known = present instanceof Promise ? await present : present
      if (known.length === 0 || isExempt(request.kind)) return
      const wanted: { hook: Hook; kind: Kind }[] = []
      for (const hook of known) {
        const kind = await wantedAs(hook, request, how)
        if (kind !== undefined) wanted.push({ hook, kind })
      }
      const outcomes = await Promise.allSettled(
        wanted.map(async ({ hook, kind }, index) => {
          try {
            await ask(hook, request, { kind, mutating: false, post: how.post })
          } catch (error) {
            if (!(error instanceof CallError)) throw error
            if (!hook.ignoresFailure) throw internalError(error)
            request.annotate(`${FAILED_OPEN}round_0_index_${index}`, hook.name)
          }
        })
      )
      const refused = outcomes.find((outcome) => outcome.status === 'rejected')
      if (refused !== undefined) throw refused.reason
    }
  }
}
