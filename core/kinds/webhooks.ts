/** ValidatingWebhookConfigurations and MutatingWebhookConfigurations. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1035Label, isDNS1123Subdomain, isPortNumber } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkMatchConditions, checkRule, defaultRules, FAILURE_POLICIES, MATCH_POLICIES } from './admission-rules.ts'
import { checkLabelSelector, complaints, type Errors, sameValue } from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import type {
  MutatingWebhook,
  AdmissionregistrationServiceReference as ServiceReference,
  ValidatingWebhook,
  AdmissionregistrationWebhookClientConfig as WebhookClientConfig
} from './types.ts'

type Webhook = ValidatingWebhook & Partial<MutatingWebhook>
const webhooksOf = (object: KubeObject) => (object.webhooks ?? []) as Webhook[]

const NO_SIDE_EFFECTS = ['None', 'NoneOnDryRun']
const SIDE_EFFECTS = ['None', 'NoneOnDryRun', 'Some', 'Unknown']
const REINVOCATION = ['IfNeeded', 'Never']
const VERSIONS = ['v1', 'v1beta1']
const FORM = '; desired format: https://host[/path]'

function defaultWebhooks(mutating: boolean): (object: KubeObject) => void {
  return (object) => {
    for (const hook of webhooksOf(object)) {
      hook.failurePolicy ??= 'Fail'
      hook.matchPolicy ??= 'Equivalent'
      hook.namespaceSelector ??= {}
      hook.objectSelector ??= {}
      hook.timeoutSeconds ??= 10
      if (mutating) hook.reinvocationPolicy ??= 'Never'
      defaultRules(hook.rules)
      const { service } = hook.clientConfig
      if (service !== undefined) service.port ??= 443
    }
  }
}

/** "hook.example.com": at least three labels. */
function checkFullName(name: string, path: string, errors: Errors): void {
  if (!name) {
    errors.push(required(path))
    return
  }
  const wrong = isDNS1123Subdomain(name)
  if (wrong.length > 0) errors.push(invalid(path, name, wrong.join(',')))
  else if (name.split('.').length < 3)
    errors.push(invalid(path, name, 'should be a domain with at least three segments separated by dots'))
}

export function checkWebhookUrl(text: string, path: string, errors: Errors): void {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    checkUnreadableUrl(text, path, errors)
    return
  }
  const refuse = (value: string, why: string) => void errors.push(invalid(path, value, why))
  const scheme = url.protocol.slice(0, -1)
  if (scheme !== 'https') refuse(scheme, `'https' is the only allowed URL scheme${FORM}`)
  if (url.host === '') refuse('', `host must be specified${FORM}`)
  if (url.username !== '' || url.password !== '')
    refuse(
      url.password === '' ? url.username : `${url.username}:${url.password}`,
      'user information is not permitted in the URL'
    )
  if (url.hash !== '') refuse(url.hash.slice(1), 'fragments are not permitted in the URL')
  if (url.search !== '') refuse(url.search.slice(1), 'query parameters are not permitted in the URL')
}

/** Go reads more as a URL: without a scheme, or without a host. */
function checkUnreadableUrl(text: string, path: string, errors: Errors): void {
  if (/^:|^\d[^/]*:/.test(text)) {
    const why = text.startsWith(':') ? 'missing protocol scheme' : 'first path segment in URL cannot contain colon'
    errors.push(required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: ${why}${FORM}`))
    return
  }
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text)?.[1] ?? ''
  if (scheme !== 'https') errors.push(invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`))
  errors.push(invalid(path, '', `host must be specified${FORM}`))
}

export function checkWebhookService(service: ServiceReference, at: string, errors: Errors): void {
  const { name, namespace, path, port = 443 } = service
  // Kubernetes takes the one for the other here, in the order in which it complains.
  if (!namespace) errors.push(required(`${at}.name`))
  if (!name) errors.push(required(`${at}.namespace`))
  const wrong = isPortNumber(port)
  if (wrong.length > 0) errors.push(invalid(`${at}.port`, port, `port is not valid: ${wrong.join(', ')}`))
  if (path === undefined || path === '' || path === '/') return
  const refuse = (why: string) => void errors.push(invalid(`${at}.path`, path, why))
  if (path === '//') {
    refuse('segment[0] may not be empty')
    return
  }
  if (!path.startsWith('/')) refuse("must start with a '/'")
  path
    .slice(1)
    .replace(/\/$/, '')
    .split('/')
    .forEach((step, i) => {
      if (step === '') refuse(`segment[${i}] may not be empty`)
      else for (const problem of isDNS1123Subdomain(step)) refuse(`segment[${i}]: ${problem}`)
    })
}

function checkClient({ url, service }: WebhookClientConfig, path: string, errors: Errors): void {
  if ((url === undefined) === (service === undefined))
    errors.push(required(path, 'exactly one of url or service is required'))
  else if (url !== undefined) checkWebhookUrl(url, `${path}.url`, errors)
  else if (service !== undefined) checkWebhookService(service, `${path}.service`, errors)
}

/** What an old configuration had wrong may stay so. */
interface Strictness {
  readonly errors: Errors
  readonly sideEffects: boolean
  readonly versions: boolean
  readonly names: boolean
  readonly conditions: boolean
}

function checkWebhook(hook: Webhook, path: string, strict: Strictness): void {
  const { errors } = strict
  checkFullName(hook.name, `${path}.name`, errors)
  hook.rules?.forEach((rule, i) => {
    checkRule(rule, `${path}.rules[${i}]`, errors)
  })
  const choose = (field: keyof Webhook, allowed: readonly string[]) => {
    const value = hook[field]
    if (typeof value === 'string' && !allowed.includes(value))
      errors.push(notSupported(`${path}.${field}`, value, allowed))
  }
  choose('failurePolicy', FAILURE_POLICIES)
  choose('matchPolicy', MATCH_POLICIES)
  const effects = strict.sideEffects ? NO_SIDE_EFFECTS : SIDE_EFFECTS
  if (hook.sideEffects === undefined)
    errors.push(required(`${path}.sideEffects`, `must specify one of ${effects.join(', ')}`))
  else choose('sideEffects', effects)
  const seconds = hook.timeoutSeconds ?? 10
  if (seconds < 1 || seconds > 30)
    errors.push(invalid(`${path}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds'))
  checkLabelSelector(hook.namespaceSelector, `${path}.namespaceSelector`, errors)
  checkLabelSelector(hook.objectSelector, `${path}.objectSelector`, errors)
  choose('reinvocationPolicy', REINVOCATION)
  checkClient(hook.clientConfig, `${path}.clientConfig`, errors)
  if (strict.conditions) checkMatchConditions(hook.matchConditions, `${path}.matchConditions`, errors)
}

function checkVersions(hook: Webhook, path: string, strict: Strictness): void {
  const versions = hook.admissionReviewVersions ?? []
  const { errors } = strict
  if (versions.length === 0) {
    errors.push(required(path, `must specify one of ${VERSIONS.join(', ')}`))
    return
  }
  versions.forEach((version, i) => {
    if (versions.indexOf(version) < i) errors.push(invalid(`${path}[${i}]`, version, 'duplicate version'))
    else errors.push(...complaints(`${path}[${i}]`, version, isDNS1035Label(version)))
  })
  if (strict.versions && !versions.some((version) => VERSIONS.includes(version)))
    errors.push(invalid(path, versions, `must include at least one of ${VERSIONS.join(', ')}`))
}

function validateConfiguration(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const [hooks, before] = [webhooksOf(object), old === undefined ? undefined : webhooksOf(old)]
  const seen = new Set<string>()
  const strict: Strictness = {
    errors,
    sideEffects: before?.every(({ sideEffects }) => NO_SIDE_EFFECTS.includes(sideEffects)) ?? true,
    versions:
      before?.every(
        ({ admissionReviewVersions: list }) => (list ?? []).length === 0 || list.some((one) => VERSIONS.includes(one))
      ) ?? true,
    names: before === undefined || new Set(before.map(({ name }) => name)).size === before.length,
    conditions:
      before === undefined ||
      before.length !== hooks.length ||
      before.some((hook, i) => !sameValue(hook.matchConditions, hooks[i]?.matchConditions))
  }
  hooks.forEach((hook, i) => {
    const path = `webhooks[${i}]`
    checkWebhook(hook, path, strict)
    checkVersions(hook, `${path}.admissionReviewVersions`, strict)
    if (!strict.names || !hook.name) return
    if (seen.has(hook.name)) errors.push(duplicate(`${path}.name`, hook.name))
    seen.add(hook.name)
  })
  return errors
}

function rules(mutating: boolean): Rules {
  return {
    generation: true,
    defaults: defaultWebhooks(mutating),
    validate: validateConfiguration,
    cells: (object, now) => {
      const { metadata } = object
      return [metadata.name ?? '', webhooksOf(object).length, age(metadata.creationTimestamp, now)]
    }
  }
}

const GROUP = 'admissionregistration.k8s.io/v1'

export const webhookKinds: readonly Kind[] = [
  row(GROUP, 'validatingwebhookconfigurations', rules(false)),
  row(GROUP, 'mutatingwebhookconfigurations', rules(true))
]
