/** What a CustomResourceDefinition must be (apiextensions/validation/validation.go). */
import { parseRequestUri } from '../cel/go-url.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { goQuote } from '../go-text.ts'
import { sameJson } from '../json.ts'
import type {
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion
} from '../kinds/types.ts'
import { checkWebhookService, checkWebhookUrl } from '../kinds/webhooks.ts'
import { isDNS1035Label, isDNS1123Subdomain } from '../names.ts'
import { FIELD_IMMUTABLE } from '../validate-metadata.ts'
import { isConditionTrue } from './conditions.ts'
import { defaultErrors } from './default-errors.ts'
import { schemaErrors } from './definition-schema.ts'
import { columnErrors, selectableErrors, subresourceErrors } from './definition-version.ts'
import { isKnownFormat } from './formats.ts'
import { printedVersions } from './printed.ts'
import { childSchemas, type JsonSchema } from './schema.ts'
import { structuralErrors } from './structural.ts'

/** `old`: of an update. */
export function definitionErrors(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined
): FieldError[] {
  const { metadata, spec, status } = definition
  const errors: FieldError[] = []
  const wanted = `${spec.names.plural}.${spec.group}`
  if (old === undefined && metadata.name !== wanted)
    errors.push(invalid('metadata.name', metadata.name ?? '', 'must be spec.names.plural+"."+spec.group'))
  errors.push(...specErrors(definition, old))
  if (old !== undefined) errors.push(...immutableErrors(definition, old))
  errors.push(...namesErrors(status?.acceptedNames ?? { plural: '', kind: '' }, 'status.acceptedNames'))
  errors.push(...storedVersionErrors(definition))
  errors.push(...approvalErrors(definition, old))
  if (spec.preserveUnknownFields === true && old?.spec.preserveUnknownFields !== true) {
    const detail =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'
    errors.push(invalid('spec.preserveUnknownFields', true, detail))
  }
  return errors
}

export function statusErrors(definition: CustomResourceDefinition): FieldError[] {
  return namesErrors(definition.status?.acceptedNames ?? { plural: '', kind: '' }, 'status.acceptedNames')
}

function specErrors(definition: CustomResourceDefinition, old: CustomResourceDefinition | undefined): FieldError[] {
  const { spec } = definition
  const errors: FieldError[] = [...groupErrors(spec.group)]
  const scopes = ['Cluster', 'Namespaced']
  if (!spec.scope) errors.push(required('spec.scope'))
  else if (!scopes.includes(spec.scope)) errors.push(notSupported('spec.scope', spec.scope, scopes))
  spec.versions.forEach((version, i) => {
    if (version.schema?.openAPIV3Schema === undefined)
      errors.push(required(`spec.versions[${i}].schema.openAPIV3Schema`))
  })
  spec.versions.forEach((version, i) => {
    const wrong = isDNS1035Label(version.name)
    if (wrong.length > 0) errors.push(invalid(`spec.versions[${i}].name`, version.name, wrong.join(',')))
    const path = `spec.versions[${i}]`
    errors.push(...deprecationErrors(version, path))
    errors.push(...partErrors(version, { spec, old, path, shared: false }))
  })
  const names = new Set(spec.versions.map(({ name }) => name))
  const shown = () => printedVersions(spec.versions)
  if (names.size < spec.versions.length)
    errors.push(invalid('spec.versions', shown(), 'must contain unique version names'))
  if (spec.versions.filter(({ storage }) => storage).length !== 1)
    errors.push(invalid('spec.versions', shown(), 'must have exactly one version marked as storage version'))
  const [{ name = '' } = { name: '' }] = spec.versions
  const wrongFirst = name === '' ? [] : isDNS1035Label(name)
  if (wrongFirst.length > 0) errors.push(invalid('spec.version', name, wrongFirst.join(',')))
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const)
    if (!spec.names[field]) errors.push(required(`spec.names.${field}`))
  errors.push(...namesErrors(spec.names, 'spec.names'))
  const [first] = spec.versions
  if (first !== undefined) errors.push(...partErrors(first, { spec, old, path: 'spec', shared: true }))
  errors.push(...conversionErrors(spec.conversion))
  return errors
}

function groupErrors(group: string): FieldError[] {
  if (group === '') return [required('spec.group')]
  const wrong = isDNS1123Subdomain(group)
  if (wrong.length > 0) return [invalid('spec.group', group, wrong.join(','))]
  return group.includes('.') ? [] : [invalid('spec.group', group, 'should be a domain with at least one dot')]
}

const PARTS = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const

/** What all versions have alike Kubernetes keeps, and names, as the definition's own. */
function isShared({ versions }: CustomResourceDefinition['spec'], part: (typeof PARTS)[number]): boolean {
  return versions.every((version) => version[part] !== undefined && sameJson(version[part], versions[0]?.[part]))
}

interface Where {
  readonly spec: CustomResourceDefinition['spec']
  readonly old: CustomResourceDefinition | undefined
  readonly path: string
  /** Whether what all versions share is looked at, or what they do not. */
  readonly shared: boolean
}

function partErrors(version: CustomResourceDefinitionVersion, { spec, old, path, shared }: Where): FieldError[] {
  const errors: FieldError[] = []
  const mine = (part: (typeof PARTS)[number]) => isShared(spec, part) === shared
  const schema = version.schema?.openAPIV3Schema as JsonSchema | undefined
  const before = old?.spec.versions.find(({ name }) => name === version.name)
  const isNew = before === undefined || !sameJson(before.schema, version.schema)
  const at = `${path}.${shared ? 'validation' : 'schema'}.openAPIV3Schema`
  const withStatus = spec.versions.some(({ subresources }) => subresources?.status !== undefined)
  if (schema !== undefined && isNew && mine('schema'))
    errors.push(...validationErrors(schema, at, shared ? withStatus : version.subresources?.status !== undefined))
  if (mine('subresources')) errors.push(...subresourceErrors(version.subresources, `${path}.subresources`))
  if (mine('additionalPrinterColumns'))
    version.additionalPrinterColumns?.forEach((column, i) => {
      errors.push(...columnErrors(column, `${path}.additionalPrinterColumns[${i}]`))
    })
  if (schema !== undefined && version.selectableFields !== undefined && mine('selectableFields'))
    errors.push(...selectableErrors(version.selectableFields, schema, `${path}.selectableFields`))
  return errors
}

function deprecationErrors(
  { deprecated, deprecationWarning: warning }: CustomResourceDefinitionVersion,
  path: string
): FieldError[] {
  if (warning === undefined) return []
  const at = `${path}.deprecationWarning`
  if (deprecated !== true) return [invalid(at, warning, 'can only be set for deprecated versions')]
  const errors: FieldError[] = []
  if (Buffer.byteLength(warning) > 256) errors.push(invalid(at, warning, 'must be <= 256 characters long'))
  if (warning === '') errors.push(invalid(at, warning, 'must not be an empty string'))
  const strange = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(warning)
  if (strange !== null) {
    const index = Buffer.byteLength(warning.slice(0, strange.index))
    const detail = `must only contain printable UTF-8 characters; non-printable character found at index ${index}`
    errors.push(invalid(at, warning, detail))
  }
  return errors
}

/** Names of Go's fields; with a status subresource nothing else may stand at the root. */
const ROOT_FIELDS =
  'Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations'
const AT_ROOT = new Set(
  ROOT_FIELDS.split(' ').map((name) => {
    const extension = {
      XPreserveUnknownFields: 'x-kubernetes-preserve-unknown-fields',
      XValidations: 'x-kubernetes-validations'
    }
    return Object.hasOwn(extension, name)
      ? extension[name as keyof typeof extension]
      : name.charAt(0).toLowerCase() + name.slice(1)
  })
)

function validationErrors(schema: JsonSchema, path: string, withStatus: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (withStatus) errors.push(...rootErrors(schema, path))
  if (schema.nullable === true) errors.push(forbidden(`${path}.nullable`, 'nullable cannot be true at the root'))
  const structural = structuralErrors(schema, path)
  const defaults = structural.length > 0 ? structural : defaultErrors(schema, path)
  errors.push(...defaults)
  errors.push(...schemaErrors(schema, path, defaults.length === 0))
  return errors
}

function rootErrors(schema: JsonSchema, path: string): FieldError[] {
  if (schema.type !== 'object') {
    const detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
    return [invalid(`${path}.type`, schema.type ?? '', detail)]
  }
  const stray = Object.keys(schema).find((name) => !AT_ROOT.has(name) && name !== 'nullable')
  if (stray === undefined) return []
  const detail = `only [${ROOT_FIELDS}] fields are allowed at the root of the schema if the status subresource is enabled`
  return [invalid(path, schema, detail)]
}

function namesErrors(names: CustomResourceDefinitionNames, path: string): FieldError[] {
  const errors: FieldError[] = []
  const label = (value: string, at: string, prefix = '') => {
    const wrong = value === '' ? [] : isDNS1035Label(prefix === '' ? value : value.toLowerCase())
    if (wrong.length > 0) errors.push(invalid(at, value, prefix + wrong.join(',')))
  }
  const mixed = 'may have mixed case, but should otherwise match: '
  label(names.plural ?? '', `${path}.plural`)
  label(names.singular ?? '', `${path}.singular`)
  label(names.kind ?? '', `${path}.kind`, mixed)
  label(names.listKind ?? '', `${path}.listKind`, mixed)
  const each = (values: readonly string[] | undefined, at: string) =>
    values?.forEach((value, i) => {
      const wrong = isDNS1035Label(value)
      if (wrong.length > 0) errors.push(invalid(`${at}[${i}]`, value, wrong.join(',')))
    })
  each(names.shortNames, `${path}.shortNames`)
  if (names.kind && names.kind === names.listKind)
    errors.push(invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same'))
  each(names.categories, `${path}.categories`)
  return errors
}

const STRATEGIES = ['None', 'Webhook']
const REVIEWS = ['v1', 'v1beta1']

function conversionErrors(conversion: CustomResourceConversion | undefined): FieldError[] {
  if (conversion === undefined) return []
  const path = 'spec.conversion'
  const errors: FieldError[] = []
  const { strategy, webhook } = conversion
  if (!strategy) errors.push(required(`${path}.strategy`))
  else if (!STRATEGIES.includes(strategy)) errors.push(notSupported(`${path}.strategy`, strategy, STRATEGIES))
  if (strategy !== 'Webhook') {
    const detail = 'should not be set when strategy is not set to Webhook'
    if (webhook?.clientConfig !== undefined) errors.push(forbidden(`${path}.webhookClientConfig`, detail))
    if ((webhook?.conversionReviewVersions?.length ?? 0) > 0)
      errors.push(forbidden(`${path}.conversionReviewVersions`, detail))
    return errors
  }
  const at = `${path}.webhookClientConfig`
  const config = webhook?.clientConfig
  if (config === undefined) errors.push(required(at, 'required when strategy is set to Webhook'))
  else if ((config.url === undefined) === (config.service === undefined))
    errors.push(required(at, 'exactly one of url or service is required'))
  else if (config.url !== undefined) checkWebhookUrl(config.url, `${at}.url`, errors)
  else if (config.service !== undefined) checkWebhookService(config.service, `${at}.service`, errors)
  return [...errors, ...reviewErrors(webhook?.conversionReviewVersions ?? [], `${path}.conversionReviewVersions`)]
}

function reviewErrors(versions: readonly string[], path: string): FieldError[] {
  if (versions.length === 0) return [required(path)]
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, version] of versions.entries()) {
    if (seen.has(version)) errors.push(invalid(`${path}[${i}]`, version, 'duplicate version'))
    else errors.push(...isDNS1035Label(version).map((why) => invalid(`${path}[${i}]`, version, why)))
    seen.add(version)
  }
  if (!versions.some((version) => REVIEWS.includes(version)))
    errors.push(invalid(path, versions, `must include at least one of ${REVIEWS.join(', ')}`))
  return errors
}

function immutableErrors({ spec }: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  const errors: FieldError[] = []
  const same = (value: unknown, before: unknown, path: string) => {
    if (value !== before) errors.push(invalid(path, value, FIELD_IMMUTABLE))
  }
  if (isConditionTrue(old, 'Established')) {
    same(spec.scope, old.spec.scope, 'spec.scope')
    same(spec.names.kind, old.spec.names.kind, 'spec.names.kind')
  }
  same(spec.group, old.spec.group, 'spec.group')
  same(spec.names.plural, old.spec.names.plural, 'spec.names.plural')
  return errors
}

function storedVersionErrors({ spec, status }: CustomResourceDefinition): FieldError[] {
  const stored = status?.storedVersions ?? []
  const path = 'status.storedVersions'
  if (stored.length === 0) return [invalid(path, stored, 'must have at least one stored version')]
  const errors: FieldError[] = []
  for (const { name, storage } of spec.versions)
    if (storage && !stored.includes(name)) errors.push(invalid(path, stored, `must have the storage version ${name}`))
  stored.forEach((name, i) => {
    if (spec.versions.some((version) => version.name === name)) return
    const detail = `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`
    errors.push(invalid(`${path}[${i}]`, name, detail))
  })
  return errors
}

const APPROVAL = 'api-approved.kubernetes.io'

type Approval = { readonly state: 'approved' | 'bypassed' | 'missing' | 'invalid'; readonly reason: string }

function approvalOf({ metadata }: CustomResourceDefinition): Approval {
  const annotation = metadata.annotations?.[APPROVAL] ?? ''
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111'
  const must = `protected groups must have approval annotation ${goQuote(APPROVAL)}`
  if (annotation === '') return { state: 'missing', reason: `${must}, ${see}` }
  if (annotation.startsWith('unapproved')) return { state: 'bypassed', reason: '' }
  const url = parseRequestUri(annotation)
  if (!('error' in url) && url.host !== '' && url.scheme !== '') return { state: 'approved', reason: '' }
  return { state: 'invalid', reason: `${must} with either a URL or a reason starting with "unapproved", ${see}` }
}

function approvalErrors(definition: CustomResourceDefinition, old: CustomResourceDefinition | undefined): FieldError[] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(definition.spec.group)) return []
  const { state, reason } = approvalOf(definition)
  if (old !== undefined && approvalOf(old).state === state) return []
  const path = `metadata.annotations[${APPROVAL}]`
  if (state === 'missing') return [required(path, reason)]
  return state === 'invalid' ? [invalid(path, definition.metadata.annotations?.[APPROVAL] ?? '', reason)] : []
}

/** Formats that nobody knows are taken, and told of when they come in. */
export function formatWarnings(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined
): readonly string[] {
  const before = new Set(old === undefined ? [] : unknownFormats(old))
  return unknownFormats(definition)
    .filter((format) => !before.has(format))
    .map((format) => `unrecognized format ${goQuote(format)}`)
}

function unknownFormats({ spec }: CustomResourceDefinition): string[] {
  const found = (schema: JsonSchema): string[] => {
    const { type, format = '' } = schema
    const own = type === 'string' && format !== '' && !isKnownFormat(format) ? [format] : []
    return [...own, ...childSchemas(schema).flatMap(([, child]) => found(child))]
  }
  return spec.versions.flatMap(({ schema }) => {
    return schema?.openAPIV3Schema === undefined ? [] : found(schema.openAPIV3Schema as JsonSchema)
  })
}
