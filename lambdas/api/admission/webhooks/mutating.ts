/** MutatingAdmissionWebhook: one after the other, each sees what those before it made of the object. */
import { ApiError } from '../../../../core/errors.ts'
import { goQuote } from '../../../../core/go-text.ts'
import type { JsonObject } from '../../../../core/json.ts'
import type { Kind } from '../../../../core/kinds/kind.ts'
import { JsonPatchError, jsonPatch } from '../../../../core/merge/json.ts'
import type { KubeObject } from '../../../../core/object.ts'
import { decode } from '../../../../core/validate.ts'
import { internalError } from '../../answers.ts'
import { copyJson, sameJson } from '../../copy.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../../types.ts'
import type { Followed } from '../followed.ts'
import { isExempt } from '../matching.ts'
import { Reinvocations } from '../reinvocations.ts'
import { become, converted, decodedKind, objectKind, typed } from '../versions.ts'
import { ask, type Calling, wantedAs } from './dispatch.ts'
import { CallError } from './failures.ts'
import type { Hook } from './hooks.ts'
import type { Verdict } from './review.ts'

const NAME = 'MutatingAdmissionWebhook'
const MUTATION = 'mutation.webhook.admission.k8s.io/'
const PATCH = 'patch.webhook.admission.k8s.io/'

export function mutatingWebhooks(hooks: Followed<readonly Hook[]>, how: Calling): AdmissionPlugin {
  return {
    name: NAME,
    async mutate(request) {
      const present = hooks.current()
      const known = present instanceof Promise ? await present : present
      if (known.length === 0 || isExempt(request.kind)) return
      await callAll(known, request, how)
    }
  }
}

async function callAll(hooks: readonly Hook[], request: AdmissionRequest, how: Calling): Promise<void> {
  const { round } = request
  const again = Reinvocations.of(round, NAME)
  if (round.second) again.compare(request.object)
  for (const [index, hook] of hooks.entries()) {
    const kind = await wantedAs(hook, request, how)
    if (kind === undefined || (round.second && !again.wants(hook.uid))) continue
    const place = `round_${round.second ? 1 : 0}_index_${index}`
    try {
      const changed = await call(hook, request, { kind, how, place })
      if (changed) {
        again.changed()
        round.again = true
      }
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      if (!hook.ignoresFailure) throw internalError(error)
      request.annotate(`failed-open.${MUTATION}${place}`, hook.name)
    } finally {
      if (hook.reinvoked) again.invoked(hook.uid)
    }
  }
  again.keep(request.object)
}

/** Whether the hook changed the object. */
async function call(
  hook: Hook,
  request: AdmissionRequest,
  { kind, how, place }: { kind: Kind; how: Calling; place: string }
): Promise<boolean> {
  const { configuration, name: webhook } = hook
  let mutated = false
  try {
    const verdict = await ask(hook, request, { kind, mutating: true, post: how.post })
    const patch = patchIn(verdict, hook)
    if (patch === undefined) return false
    mutated = applyPatch(patch, request, { kind, hook })
    const shown = { configuration, webhook, patch, patchType: 'JSONPatch' }
    request.annotate(`${PATCH}${place}`, JSON.stringify(shown))
    return mutated
  } finally {
    request.annotate(`${MUTATION}${place}`, JSON.stringify({ configuration, webhook, mutated }))
  }
}

/** undefined: nothing to do. */
function patchIn({ patch, patchType }: Verdict, hook: Hook): readonly unknown[] | undefined {
  if (patch === undefined) return undefined
  const undecodable = (why: string) =>
    new CallError(hook.name, `received undecodable patch in webhook response: ${why}`)
  let operations: unknown
  try {
    operations = JSON.parse(patch)
  } catch (error) {
    throw undecodable(error instanceof Error ? error.message : String(error))
  }
  if (operations === null) return undefined
  if (!Array.isArray(operations)) {
    const type = typeof operations === 'boolean' ? 'bool' : typeof operations
    throw undecodable(`json: cannot unmarshal ${type} into Go value of type jsonpatch.Patch`)
  }
  if (operations.length === 0) return undefined
  if (patchType !== 'JSONPatch') throw new CallError(hook.name, `unsupported patch type ${goQuote(patchType ?? '')}`)
  return operations
}

function applyPatch(
  patch: readonly unknown[],
  request: AdmissionRequest,
  { kind, hook }: { kind: Kind; hook: Hook }
): boolean {
  const { object } = request
  if (object === undefined) {
    const why = `admission webhook ${goQuote(hook.name)} attempted to modify the object, which is not supported for this operation`
    throw internalError(new Error(why))
  }
  const of = objectKind(request, kind)
  const isOwn = of.kind === kind.kind
  const before = copyJson(typed(isOwn ? converted(object, request.kind, kind) : object, of))
  const next = patched(before, patch, { request, kind })
  const changed = !sameJson(before, next)
  if (isOwn) kind.rules.defaults?.(next)
  become(object, isOwn ? converted(next, kind, request.kind) : next)
  return changed
}

function patched(
  before: KubeObject,
  patch: readonly unknown[],
  { request, kind }: { request: AdmissionRequest; kind: Kind }
): KubeObject {
  try {
    const next = jsonPatch(before as JsonObject, patch)
    return decode(decodedKind(request, kind), next).object
  } catch (error) {
    if (error instanceof JsonPatchError) throw internalError(new Error(error.why))
    if (!(error instanceof ApiError)) throw error
    throw internalError(new Error(error.message.replace(/^.*? cannot be handled as a [A-Za-z]+: /, '')))
  }
}
