/** Holds pods to the Pod Security Standards that their namespace's labels name (the PodSecurity plugin). */
import { errorText, invalidError } from '../../../../core/field-errors.ts'
import { goQuote } from '../../../../core/go-text.ts'
import type { ObjectMeta, Pod, PodSpec, PodTemplateSpec } from '../../../../core/kinds/types.ts'
import { controllerOf, type KubeObject } from '../../../../core/object.ts'
import type { StoreApi } from '../../../../store/store.ts'
import { sameJson } from '../../copy.ts'
import { forbiddenFor } from '../../failures.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../../types.ts'
import {
  detailText,
  findingsOf,
  isStricter,
  type Policy,
  policyOf,
  reasonText,
  type Standard,
  sameStandard,
  standardText
} from './policy.ts'

const AUDIT = 'pod-security.kubernetes.io/'
/** How many pods of a namespace are looked at when it gets a stricter label. */
const MOST_PODS = 3000
/** Subresources of pods that do not change what runs. */
const HARMLESS: ReadonlySet<string> = new Set([
  'exec',
  'attach',
  'binding',
  'eviction',
  'log',
  'portforward',
  'proxy',
  'status'
])

type Labels = ObjectMeta['labels']
interface Templated {
  readonly template?: PodTemplateSpec
  readonly spec?: { readonly template?: PodTemplateSpec; readonly jobTemplate?: { readonly spec?: Templated['spec'] } }
}

const ofSpec = (object: KubeObject) => (object as unknown as Templated).spec?.template
const TEMPLATES: Readonly<Record<string, (object: KubeObject) => PodTemplateSpec | undefined>> = {
  podtemplates: (object) => (object as unknown as Templated).template,
  replicationcontrollers: ofSpec,
  'apps/replicasets': ofSpec,
  'apps/deployments': ofSpec,
  'apps/statefulsets': ofSpec,
  'apps/daemonsets': ofSpec,
  'batch/jobs': ofSpec,
  'batch/cronjobs': (object) => (object as unknown as Templated).spec?.jobTemplate?.spec?.template
}

export const podSecurity: AdmissionPlugin = {
  name: 'PodSecurity',
  resources: ['pods', 'namespaces', ...Object.keys(TEMPLATES)],
  async validate(request) {
    const { kind, operation, subresource } = request
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || request.object === undefined) return
    if (kind.storage === 'pods') {
      if (subresource === undefined || !HARMLESS.has(subresource)) await checkPod(request, request.object)
      return
    }
    if (subresource !== undefined) return
    if (kind.storage === 'namespaces') return await checkNamespace(request, request.object)
    const templateOf = Object.hasOwn(TEMPLATES, kind.storage) ? TEMPLATES[kind.storage] : undefined
    if (templateOf !== undefined) await checkTemplate(request, templateOf(request.object))
  }
}

async function labelsOf({ store, namespace = '' }: AdmissionRequest): Promise<Labels> {
  return (await store.get('namespaces', namespace))?.value.metadata.labels
}

function isPrivileged({ level }: Standard): boolean {
  return level === 'privileged'
}

async function checkPod(request: AdmissionRequest, object: KubeObject): Promise<void> {
  const { policy, errors } = policyOf(await labelsOf(request))
  if (errors.length === 0 && Object.values(policy).every(isPrivileged)) {
    request.annotate(`${AUDIT}enforce-policy`, standardText(policy.enforce))
    return
  }
  const pod = object as unknown as Pod
  if (request.old !== undefined && !isSignificant(pod.spec, (request.old as unknown as Pod).spec)) return
  if (errors.length > 0) request.annotate(`${AUDIT}error`, `Failed to parse policy: ${errorText(errors)}`)
  request.annotate(`${AUDIT}enforce-policy`, standardText(policy.enforce))
  const broken = findings(policy.enforce, pod)
  audit(request, policy, pod)
  if (broken.length > 0) {
    const why = `violates PodSecurity ${goQuote(standardText(policy.enforce))}: ${detailText(broken)}`
    throw forbiddenFor(request.kind, request.name ?? '', why)
  }
  warn(request, policy, pod)
}

async function checkTemplate(request: AdmissionRequest, template: PodTemplateSpec | undefined): Promise<void> {
  const { policy, errors } = policyOf(await labelsOf(request))
  if (errors.length === 0 && isPrivileged(policy.audit) && isPrivileged(policy.warn)) return
  if (template === undefined) return
  if (errors.length > 0) request.annotate(`${AUDIT}error`, `Failed to parse policy: ${errorText(errors)}`)
  audit(request, policy, template)
  warn(request, policy, template)
}

type PodLike = { readonly metadata?: ObjectMeta | undefined; readonly spec?: PodSpec | undefined }

function findings(standard: Standard, { metadata, spec }: PodLike) {
  return findingsOf(standard, { annotations: metadata?.annotations ?? {}, spec: spec ?? ({} as PodSpec) })
}

function audit(request: AdmissionRequest, policy: Policy, pod: PodLike): void {
  const found = findings(policy.audit, pod)
  if (found.length > 0) request.annotate(`${AUDIT}audit-violations`, violation(policy.audit, detailText(found)))
}

function warn(request: AdmissionRequest, policy: Policy, pod: PodLike): void {
  const found = findings(policy.warn, pod)
  if (found.length > 0) request.warn(violation(policy.warn, detailText(found)))
}

function violation(standard: Standard, what: string): string {
  return `would violate PodSecurity ${goQuote(standardText(standard))}: ${what}`
}

/** Only images and new containers can be changed in a way that matters. */
function isSignificant(next: PodSpec | undefined, old: PodSpec | undefined): boolean {
  for (const field of ['containers', 'initContainers'] as const) {
    const [now, before] = [next?.[field] ?? [], old?.[field] ?? []]
    if (now.length !== before.length) return true
    if (now.some(({ image }, i) => image !== before[i]?.image)) return true
  }
  return (next?.ephemeralContainers ?? []).some(({ name, image }) => {
    const before = old?.ephemeralContainers?.find((one) => one.name === name)
    return before === undefined || before.image !== image
  })
}

async function checkNamespace(request: AdmissionRequest, object: KubeObject): Promise<void> {
  const { kind, name = '', old } = request
  const { policy, errors } = policyOf(object.metadata.labels)
  const before = policyOf(old?.metadata.labels)
  if (errors.length > 0 && !(old !== undefined && sameJson(errors, before.errors)))
    throw invalidError(kind, name, errors)
  if (old === undefined) return
  const [next, last] = [policy.enforce, before.policy.enforce]
  if (sameStandard(next, last) || isPrivileged(next)) return
  if (next.minor === last.minor && !isStricter(next.level, last.level)) return
  for (const text of await podWarnings(request.store, name, next)) request.warn(text)
}

/** What the pods that are there already have against it: the same once, with the first pod's name. */
async function podWarnings(store: StoreApi, namespace: string, standard: Standard): Promise<readonly string[]> {
  const { entries } = await store.list('pods', { prefix: `${namespace}/` })
  const all = oneOfEachOwner(entries.map(({ value }) => value))
  const looked = all.slice(0, MOST_PODS)
  const names = new Map<string, string[]>()
  for (const pod of looked) {
    const found = findings(standard, pod as unknown as Pod)
    if (found.length === 0) continue
    const text = reasonText(found)
    names.set(text, [...(names.get(text) ?? []), pod.metadata.name ?? ''])
  }
  const warnings: string[] = []
  if (looked.length < all.length)
    warnings.push(
      `new PodSecurity enforce level only checked against the first ${looked.length} of ${all.length} existing pods`
    )
  if (names.size === 0) return warnings
  const level = goQuote(standardText(standard))
  warnings.push(`existing pods in namespace ${goQuote(namespace)} violate the new PodSecurity enforce level ${level}`)
  const texts = [...names].map(([text, pods]) => `${whoOf(pods)}: ${text}`)
  return [...warnings, ...texts.sort()]
}

function whoOf(pods: readonly string[]): string {
  const [first = ''] = pods.toSorted()
  if (pods.length === 1) return first
  return pods.length === 2 ? `${first} (and 1 other pod)` : `${first} (and ${pods.length - 1} other pods)`
}

/** Pods of one owner are alike: one of each comes first. */
function oneOfEachOwner(pods: readonly KubeObject[]): readonly KubeObject[] {
  const seen = new Set<string>()
  const [first, rest]: [KubeObject[], KubeObject[]] = [[], []]
  for (const pod of pods) {
    const uid = controllerOf(pod)?.uid
    if (uid !== undefined && seen.has(uid)) rest.push(pod)
    else first.push(pod)
    if (uid !== undefined) seen.add(uid)
  }
  return [...first, ...rest]
}
