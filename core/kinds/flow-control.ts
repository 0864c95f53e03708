/** FlowSchemas and PriorityLevelConfigurations. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1123Label, isDNS1123Subdomain } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { complaints, type Errors } from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import type {
  FlowcontrolSubject,
  FlowSchema,
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  QueuingConfiguration,
  ResourcePolicyRule
} from './types.ts'

const asSchema = (object: KubeObject) => object as unknown as FlowSchema
const asLevel = (object: KubeObject) => object as unknown as PriorityLevelConfiguration

const MOST_PRECEDENCE = 10_000
const MOST_QUEUES = 10_000_000
/** Of the hash that deals a flow its queues. */
const HASH_BITS = 60
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']
const METHODS = ['ByNamespace', 'ByUser']

// --- Flow schemas

function checkSubject(subject: FlowcontrolSubject, path: string, errors: Errors): void {
  const { kind, serviceAccount, user, group } = subject
  const given = { serviceAccount, user, group }
  const fields = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const
  if (!Object.hasOwn(fields, kind)) {
    errors.push(notSupported(`${path}.kind`, kind, ['Group', 'ServiceAccount', 'User']))
    return
  }
  const own = fields[kind as keyof typeof fields]
  const value = given[own]
  if (value === undefined) errors.push(required(`${path}.${own}`, `${own} is required when subject kind is '${kind}'`))
  else if (!value.name) errors.push(required(`${path}.${own}.name`))
  else if (own === 'serviceAccount' && value.name !== '*')
    errors.push(...complaints(`${path}.${own}.name`, value.name, isDNS1123Subdomain(value.name)))
  if (own === 'serviceAccount' && serviceAccount !== undefined) {
    const { namespace } = serviceAccount
    const at = `${path}.serviceAccount.namespace`
    if (namespace) errors.push(...complaints(at, namespace, isDNS1123Label(namespace)))
    else errors.push(required(at, 'must specify namespace for service account'))
  }
  const others = { serviceAccount: 'ServiceAccount', user: 'User', group: 'Group' } as const
  for (const field of own === 'serviceAccount'
    ? (['user', 'group'] as const)
    : (['serviceAccount', 'user', 'group'] as const))
    if (field !== own && given[field] !== undefined)
      errors.push(forbidden(`${path}.${field}`, `${field} is forbidden when subject kind is not '${others[field]}'`))
}

/** A list in which "*" stands alone; answers whether it stands there. */
function isEverything(
  list: readonly string[],
  path: string,
  { empty, others, errors }: { empty: string; others: string; errors: Errors }
): boolean {
  if (list.length === 0) errors.push(required(path, empty))
  if (list.length > 1 && list.includes('*'))
    errors.push(invalid(path, list, `if '*' is present, must not specify other ${others}`))
  return list.length === 0 || list.includes('*')
}

function checkVerbs(verbs: readonly string[], path: string, errors: Errors): void {
  const empty = 'verbs must contain at least one value'
  if (isEverything(verbs, path, { empty, others: 'verbs', errors })) return
  if (!verbs.every((verb) => VERBS.includes(verb))) errors.push(notSupported(path, verbs, VERBS))
}

function checkResourceRule(rule: ResourcePolicyRule, path: string, errors: Errors): void {
  checkVerbs(rule.verbs ?? [], `${path}.verbs`, errors)
  isEverything(rule.apiGroups ?? [], `${path}.apiGroups`, {
    empty: 'resource rules must supply at least one api group',
    others: 'api groups',
    errors
  })
  isEverything(rule.resources ?? [], `${path}.resources`, {
    empty: 'resource rules must supply at least one resource',
    others: 'resources',
    errors
  })
  const { namespaces = [], clusterScope = false } = rule
  const at = `${path}.namespaces`
  if (namespaces.length === 0) {
    if (!clusterScope)
      errors.push(required(at, 'resource rules that are not cluster scoped must supply at least one namespace'))
    return
  }
  if (isEverything(namespaces, at, { empty: '', others: 'namespaces', errors })) return
  namespaces.forEach((namespace, i) => {
    for (const problem of isDNS1123Label(namespace))
      errors.push(
        invalid(`${at}[${i}]`, namespace, `each member of this list must be '*' or a DNS-1123 label; ${problem}`)
      )
  })
}

function urlProblem(path: string): string | undefined {
  if (path === '') return 'must not be empty'
  if (path === '/') return undefined
  if (!path.startsWith('/')) return 'must start with slash'
  if (path.includes(' ')) return 'must not contain white-space'
  if (path.includes('//')) return 'must not contain double slash'
  const stars = path.split('*').length - 1
  return stars > 1 || (stars === 1 && !path.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined
}

function checkUrlRule({ verbs, nonResourceURLs }: NonResourcePolicyRule, path: string, errors: Errors): void {
  checkVerbs(verbs ?? [], `${path}.verbs`, errors)
  const at = `${path}.nonResourceURLs`
  const empty = 'nonResourceURLs must contain at least one value'
  if (isEverything(nonResourceURLs ?? [], at, { empty, others: 'non-resource URLs', errors })) return
  nonResourceURLs.forEach((url, i) => {
    const problem = urlProblem(url)
    if (problem !== undefined) errors.push(invalid(`${at}[${i}]`, url, problem))
  })
}

function checkRule(rule: PolicyRulesWithSubjects, path: string, errors: Errors): void {
  const { subjects, resourceRules = [], nonResourceRules = [] } = rule
  if ((subjects ?? []).length === 0)
    errors.push(required(`${path}.subjects`, 'subjects must contain at least one value'))
  subjects?.forEach((subject, i) => {
    checkSubject(subject, `${path}.subjects[${i}]`, errors)
  })
  if (resourceRules.length === 0 && nonResourceRules.length === 0)
    errors.push(required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'))
  resourceRules.forEach((one, i) => {
    checkResourceRule(one, `${path}.resourceRules[${i}]`, errors)
  })
  nonResourceRules.forEach((one, i) => {
    checkUrlRule(one, `${path}.nonResourceRules[${i}]`, errors)
  })
}

function checkConditionTypes(conditions: readonly { type?: string | undefined }[] | undefined, errors: Errors): void {
  const seen = new Set<string>()
  conditions?.forEach(({ type = '' }, i) => {
    const path = `status.conditions[${i}].type`
    if (seen.has(type)) errors.push(duplicate(path, type))
    seen.add(type)
    if (type === '') errors.push(required(path))
  })
}

function validateSchema(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec, status } = asSchema(object)
  const precedence = spec?.matchingPrecedence ?? 0
  const refuse = (why: string) => void errors.push(invalid('spec.matchingPrecedence', precedence, why))
  if (precedence <= 0) refuse('must be a positive value')
  if (precedence > MOST_PRECEDENCE) refuse(`must not be greater than ${MOST_PRECEDENCE}`)
  if (precedence === 1 && metadata.name !== 'exempt')
    refuse("only the schema named 'exempt' may have matchingPrecedence 1")
  const method = spec?.distinguisherMethod
  if (method !== undefined && !METHODS.includes(method.type))
    errors.push(notSupported('spec.distinguisherMethod.type', { Type: method.type }, METHODS))
  const level = spec?.priorityLevelConfiguration.name
  const path = 'spec.priorityLevelConfiguration.name'
  if (level) errors.push(...complaints(path, level, isDNS1123Subdomain(level)))
  else errors.push(required(path, 'must reference a priority level'))
  spec?.rules?.forEach((rule, i) => {
    checkRule(rule, `spec.rules[${i}]`, errors)
  })
  checkConditionTypes(status?.conditions, errors)
  return errors
}

const schemaRules: Rules = {
  ...specAndStatus(),
  generation: true,
  defaults: (object) => {
    const { spec } = asSchema(object)
    if (spec !== undefined) spec.matchingPrecedence ||= 1000
  },
  validate: validateSchema,
  validateStatus: (next) => {
    const errors: FieldError[] = []
    checkConditionTypes(asSchema(next).status?.conditions, errors)
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec, status } = asSchema(object)
    return [
      metadata.name ?? '',
      spec?.priorityLevelConfiguration.name ?? '',
      spec?.matchingPrecedence ?? 0,
      spec?.distinguisherMethod?.type ?? '<none>',
      age(metadata.creationTimestamp, now),
      status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?'
    ]
  }
}

// --- Priority levels

/** Bits of hash that dealing a hand of queues takes. */
function entropyBits(queues: number, hand: number): number {
  let bits = 0
  for (let i = 0; i < hand; i++) bits += Math.log2(queues - i)
  return Math.ceil(bits)
}

function checkQueues(
  { queues = 0, handSize = 0, queueLengthLimit = 0 }: QueuingConfiguration,
  path: string,
  errors: Errors
) {
  const refuse = (field: string, value: number, why: string) =>
    void errors.push(invalid(`${path}.${field}`, value, why))
  if (queueLengthLimit <= 0) refuse('queueLengthLimit', queueLengthLimit, 'must be positive')
  if (queues <= 0) refuse('queues', queues, 'must be positive')
  else if (queues > MOST_QUEUES) refuse('queues', queues, `must not be greater than ${MOST_QUEUES}`)
  if (handSize <= 0) refuse('handSize', handSize, 'must be positive')
  else if (handSize > queues) refuse('handSize', handSize, `should not be greater than queues (${queues})`)
  else if (entropyBits(queues, handSize) > HASH_BITS)
    refuse(
      'handSize',
      handSize,
      `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${HASH_BITS}`
    )
}

function checkResponse({ type, queuing }: LimitResponse, path: string, errors: Errors): void {
  if (type === 'Reject') {
    if (queuing !== undefined)
      errors.push(forbidden(`${path}.queuing`, 'must be nil if limited.limitResponse.type is not Limited'))
  } else if (type === 'Queue') {
    if (queuing === undefined)
      errors.push(required(`${path}.queuing`, 'must not be empty if limited.limitResponse.type is Limited'))
    else checkQueues(queuing, `${path}.queuing`, errors)
  } else errors.push(notSupported(`${path}.type`, type ?? '', ['Queue', 'Reject']))
}

function checkShares(
  { nominalConcurrencyShares: shares, lendablePercent: percent }: LimitedPriorityLevelConfiguration,
  path: string,
  errors: Errors
): void {
  if (shares !== undefined && shares < 0)
    errors.push(invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer'))
  if (percent !== undefined && (percent < 0 || percent > 100))
    errors.push(invalid(`${path}.lendablePercent`, percent, 'must be between 0 and 100, inclusive'))
}

function checkLimited(limited: LimitedPriorityLevelConfiguration, path: string, errors: Errors): void {
  const { limitResponse, borrowingLimitPercent: borrowing, ...shares } = limited
  checkShares({ nominalConcurrencyShares: shares.nominalConcurrencyShares }, path, errors)
  checkResponse(limitResponse ?? { type: '' }, `${path}.limitResponse`, errors)
  checkShares({ lendablePercent: shares.lendablePercent }, path, errors)
  if (borrowing !== undefined && borrowing < 0)
    errors.push(invalid(`${path}.borrowingLimitPercent`, borrowing, 'if specified, must be a non-negative integer'))
}

function validateLevel(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec, status } = asLevel(object)
  const { type = '', limited, exempt } = spec ?? { type: '' }
  if ((metadata.name === 'exempt') !== (type === 'Exempt'))
    errors.push(invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'"))
  if (type === 'Exempt') {
    if (limited !== undefined) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'))
    if (exempt !== undefined) checkShares(exempt, 'spec.exempt', errors)
  } else if (type === 'Limited') {
    if (exempt !== undefined) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'))
    if (limited === undefined) errors.push(required('spec.limited', 'must not be empty when type is Limited'))
    else checkLimited(limited, 'spec.limited', errors)
  } else errors.push(notSupported('spec.type', type, ['Exempt', 'Limited']))
  checkConditionTypes(status?.conditions, errors)
  return errors
}

const levelRules: Rules = {
  ...specAndStatus(),
  generation: true,
  defaults: (object) => {
    const { limited, exempt } = asLevel(object).spec ?? { type: '' }
    if (exempt !== undefined) {
      exempt.nominalConcurrencyShares ??= 0
      exempt.lendablePercent ??= 0
    }
    if (limited === undefined) return
    limited.nominalConcurrencyShares ??= 30
    limited.lendablePercent ??= 0
    const queuing = limited.limitResponse?.queuing
    if (queuing === undefined) return
    queuing.handSize ||= 8
    queuing.queues ||= 64
    queuing.queueLengthLimit ||= 50
  },
  validate: validateLevel,
  validateStatus: (next) => {
    const errors: FieldError[] = []
    checkConditionTypes(asLevel(next).status?.conditions, errors)
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec } = asLevel(object)
    const queuing = spec?.limited?.limitResponse?.queuing
    const none = '<none>'
    return [
      metadata.name ?? '',
      spec?.type ?? '',
      spec?.limited === undefined ? none : (spec.limited.nominalConcurrencyShares ?? 0),
      queuing?.queues ?? none,
      queuing?.handSize ?? none,
      queuing?.queueLengthLimit ?? none,
      age(metadata.creationTimestamp, now)
    ]
  }
}

const GROUP = 'flowcontrol.apiserver.k8s.io/v1'

export const flowControlKinds: readonly Kind[] = [
  row(GROUP, 'flowschemas', schemaRules),
  row(GROUP, 'prioritylevelconfigurations', levelRules)
]
