/** The webhooks that are configured, compiled once, in the order in which they are called. */
import type {
  MatchCondition,
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
  AdmissionregistrationWebhookClientConfig as WebhookClientConfig
} from '../../../../core/kinds/types.ts'
import type { StoreApi } from '../../../../store/store.ts'
import { type Followed, followed } from '../followed.ts'
import { type Selectors, selectorsOf } from '../matching.ts'

const GROUP = 'admissionregistration.k8s.io'

export interface Hook {
  /** Tells it from all others: configuration, name and how many of this name came before it there. */
  readonly uid: string
  readonly configuration: string
  readonly name: string
  readonly rules: readonly RuleWithOperations[]
  /** Also for requests to other versions of the same resource. */
  readonly equivalent: boolean
  readonly selectors: Selectors
  readonly conditions: readonly MatchCondition[]
  readonly client: WebhookClientConfig
  readonly timeoutSeconds: number
  /** Whether a call that fails is as good as one that allows. */
  readonly ignoresFailure: boolean
  readonly takesDryRun: boolean
  readonly reinvoked: boolean
  /** Of AdmissionReview: the first one that this server knows; undefined: none. */
  readonly version: 'v1' | 'v1beta1' | undefined
}

export const validatingHooks = (store: StoreApi): Followed<readonly Hook[]> =>
  hooksOf(store, 'validatingwebhookconfigurations')
export const mutatingHooks = (store: StoreApi): Followed<readonly Hook[]> =>
  hooksOf(store, 'mutatingwebhookconfigurations')

/** By the name of the configuration, as lists come, and by their place in it. */
function hooksOf(store: StoreApi, resource: string): Followed<readonly Hook[]> {
  return followed(store, [`${GROUP}/${resource}`], ([entries = []]) =>
    entries.flatMap(({ value }) => {
      const names = new Map<string, number>()
      return ((value.webhooks ?? []) as (ValidatingWebhook & Partial<MutatingWebhook>)[]).map((hook): Hook => {
        const seen = names.get(hook.name) ?? 0
        names.set(hook.name, seen + 1)
        return compiled(hook, { configuration: value.metadata.name ?? '', seen })
      })
    })
  )
}

function compiled(
  hook: ValidatingWebhook & Partial<MutatingWebhook>,
  { configuration, seen }: { configuration: string; seen: number }
): Hook {
  return {
    uid: `${configuration}/${hook.name}/${seen}`,
    configuration,
    name: hook.name,
    rules: hook.rules ?? [],
    equivalent: hook.matchPolicy === 'Equivalent',
    selectors: selectorsOf(hook),
    conditions: hook.matchConditions ?? [],
    client: hook.clientConfig,
    timeoutSeconds: hook.timeoutSeconds ?? 10,
    ignoresFailure: hook.failurePolicy === 'Ignore',
    takesDryRun: hook.sideEffects === 'None' || hook.sideEffects === 'NoneOnDryRun',
    reinvoked: hook.reinvocationPolicy === 'IfNeeded',
    version: hook.admissionReviewVersions.find((one) => one === 'v1' || one === 'v1beta1') as Hook['version']
  }
}
