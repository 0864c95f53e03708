/** Validation of what the scheduler reads: affinity, tolerations, spreading and gates. */
import { duplicate, forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1123Label, isDNS1123Subdomain, isLabelValue } from '../names.ts'
import { checkLabelSelector, checkQualifiedName, complaints, type Errors, NOT_POSITIVE } from './checks.ts'
import type {
  Affinity,
  LabelSelector,
  NodeAffinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  PodAntiAffinity,
  PodSchedulingGate,
  Toleration,
  TopologySpreadConstraint
} from './types.ts'

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution'
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export function checkTaintEffect(effect: string | undefined, path: string, errors: Errors): void {
  if (!effect) errors.push(required(path))
  else if (!EFFECTS.includes(effect)) errors.push(notSupported(path, effect, EFFECTS))
}

export function checkTolerations(tolerations: readonly Toleration[], path: string, errors: Errors): void {
  tolerations.forEach((toleration, i) => {
    const at = `${path}[${i}]`
    const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration
    if (key !== '') checkQualifiedName(key, `${at}.key`, errors)
    if (key === '' && operator !== 'Exists')
      errors.push(
        invalid(
          `${at}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        )
      )
    if (tolerationSeconds !== undefined && effect !== 'NoExecute')
      errors.push(invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if (operator === '' || operator === 'Equal') {
      const messages = isLabelValue(value)
      if (messages.length > 0) errors.push(invalid(`${at}.operator`, value, messages.join(';')))
    } else if (operator === 'Exists') {
      if (value !== '') errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    } else {
      // Named though its feature is off.
      const compares = operator === 'Lt' || operator === 'Gt'
      errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists', ...(compares ? ['Lt', 'Gt'] : [])]))
    }
    if (effect !== '') checkTaintEffect(effect, `${at}.effect`, errors)
  })
}

export function checkAffinity(affinity: Affinity, path: string, errors: Errors): void {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity
  if (nodeAffinity !== undefined) checkNodeAffinity(nodeAffinity, `${path}.nodeAffinity`, errors)
  if (podAffinity !== undefined) checkPodAffinity(podAffinity, `${path}.podAffinity`, errors)
  if (podAntiAffinity !== undefined) checkPodAffinity(podAntiAffinity, `${path}.podAntiAffinity`, errors)
}

function checkNodeAffinity(affinity: NodeAffinity, path: string, errors: Errors): void {
  const terms = affinity[REQUIRED]
  if (terms !== undefined) checkNodeSelector(terms.nodeSelectorTerms ?? [], `${path}.${REQUIRED}`, errors)
  affinity[PREFERRED]?.forEach(({ weight, preference }, i) => {
    const at = `${path}.${PREFERRED}[${i}]`
    checkWeight(weight, `${at}.weight`, errors)
    checkNodeSelectorTerm(preference ?? {}, `${at}.preference`, { errors, anyValue: true })
  })
}

function checkWeight(weight: number | undefined, path: string, errors: Errors): void {
  const value = weight ?? 0
  if (value <= 0 || value > 100) errors.push(invalid(path, value, 'must be in the range 1-100'))
}

export function checkNodeSelector(terms: readonly NodeSelectorTerm[], path: string, errors: Errors): void {
  const at = `${path}.nodeSelectorTerms`
  if (terms.length === 0) errors.push(required(at, 'must have at least one node selector term'))
  terms.forEach((term, i) => {
    checkNodeSelectorTerm(term, `${at}[${i}]`, { errors, anyValue: false })
  })
}

interface TermScope {
  readonly errors: Errors
  /** Whether values that no label can have are let through. */
  readonly anyValue: boolean
}

function checkNodeSelectorTerm(term: NodeSelectorTerm, path: string, scope: TermScope): void {
  term.matchExpressions?.forEach((requirement, i) => {
    checkNodeRequirement(requirement, `${path}.matchExpressions[${i}]`, scope)
  })
  term.matchFields?.forEach((requirement, i) => {
    checkNodeField(requirement, `${path}.matchFields[${i}]`, scope.errors)
  })
}

function checkNodeRequirement(requirement: NodeSelectorRequirement, path: string, scope: TermScope): void {
  const { errors, anyValue } = scope
  const { key = '', operator = '', values = [] } = requirement
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
      break
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
      break
    case 'Gt':
    case 'Lt':
      if (values.length !== 1)
        errors.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
      break
    default:
      errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'))
  }
  checkQualifiedName(key, `${path}.key`, errors)
  if (anyValue) return
  values.forEach((value, i) => {
    errors.push(...complaints(`${path}.values[${i}]`, value, isLabelValue(value)))
  })
}

function checkNodeField({ key, operator, values = [] }: NodeSelectorRequirement, path: string, errors: Errors): void {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length !== 1)
      errors.push(
        required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
      )
  } else errors.push(invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
  if (key !== 'metadata.name') errors.push(invalid(`${path}.key`, key ?? '', 'not a valid field selector key'))
  else
    values.forEach((value, i) => {
      errors.push(...complaints(`${path}.values[${i}]`, value, isDNS1123Subdomain(value)))
    })
}

function checkPodAffinity(affinity: PodAffinity | PodAntiAffinity, path: string, errors: Errors): void {
  affinity[REQUIRED]?.forEach((term, i) => {
    checkPodTerm(term, `${path}.${REQUIRED}[${i}]`, errors)
  })
  affinity[PREFERRED]?.forEach(({ weight, podAffinityTerm }, i) => {
    const at = `${path}.${PREFERRED}[${i}]`
    checkWeight(weight, `${at}.weight`, errors)
    checkPodTerm(podAffinityTerm ?? { topologyKey: '' }, `${at}.podAffinityTerm`, errors)
  })
}

function checkPodTerm(term: PodAffinityTerm, path: string, errors: Errors): void {
  checkLabelSelector(term.labelSelector, `${path}.labelSelector`, errors)
  checkLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`, errors)
  for (const name of term.namespaces ?? []) errors.push(...complaints(`${path}.namespace`, name, isDNS1123Label(name)))
  checkLabelKeys(term, path, errors)
  const { topologyKey = '' } = term
  if (topologyKey === '') errors.push(required(`${path}.topologyKey`, 'can not be empty'))
  checkQualifiedName(topologyKey, `${path}.topologyKey`, errors)
}

interface LabelKeys {
  readonly matchLabelKeys?: readonly string[] | undefined
  readonly mismatchLabelKeys?: readonly string[] | undefined
  readonly labelSelector?: LabelSelector | undefined
}

function checkLabelKeys(
  { matchLabelKeys = [], mismatchLabelKeys = [], labelSelector }: LabelKeys,
  path: string,
  errors: Errors
) {
  checkKeyNames(matchLabelKeys, `${path}.matchLabelKeys`, { labelSelector, errors })
  checkKeyNames(mismatchLabelKeys, `${path}.mismatchLabelKeys`, { labelSelector, errors })
  checkKeysAgainstSelector(matchLabelKeys, path, { labelSelector, errors })
  const mismatched = new Set(mismatchLabelKeys)
  matchLabelKeys.forEach((key, i) => {
    if (mismatched.has(key))
      errors.push(invalid(`${path}.matchLabelKeys[${i}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys'))
  })
}

function checkKeyNames(
  keys: readonly string[],
  path: string,
  { labelSelector, errors }: { labelSelector: LabelSelector | undefined; errors: Errors }
): void {
  if (keys.length === 0) return
  if (labelSelector === undefined) {
    errors.push(forbidden(path, 'must not be specified when labelSelector is not set'))
    return
  }
  keys.forEach((key, i) => {
    checkQualifiedName(key, `${path}[${i}]`, errors)
  })
}

/** The selector already holds what the keys added to it, so a key counts as doubled when it stands there twice. */
function checkKeysAgainstSelector(
  keys: readonly string[],
  path: string,
  { labelSelector, errors }: { labelSelector: LabelSelector | undefined; errors: Errors }
): void {
  if (labelSelector === undefined || keys.length === 0) return
  const seen = new Set(Object.keys(labelSelector.matchLabels ?? {}))
  const places = new Map(keys.map((key, i) => [key, i]))
  for (const { key } of labelSelector.matchExpressions ?? []) {
    const i = places.get(key)
    if (i !== undefined && seen.has(key))
      errors.push(invalid(`${path}[${i}]`, key, 'exists in both matchLabelKeys and labelSelector'))
    seen.add(key)
  }
}

const SPREAD_ACTIONS = ['DoNotSchedule', 'ScheduleAnyway']
const INCLUSION_POLICIES = ['Honor', 'Ignore']

export function checkSpread(constraints: readonly TopologySpreadConstraint[], path: string, errors: Errors): void {
  // Of equal ones all but the last are reported.
  const last = new Map(constraints.map((constraint, i) => [spreadName(constraint), i]))
  constraints.forEach((constraint, i) => {
    const at = `${path}[${i}]`
    const { maxSkew = 0, topologyKey = '', whenUnsatisfiable = '', matchLabelKeys = [], labelSelector } = constraint
    if (maxSkew <= 0) errors.push(invalid(`${at}.maxSkew`, maxSkew, NOT_POSITIVE))
    if (topologyKey === '') errors.push(required(`${at}.topologyKey`, 'can not be empty'))
    if (!SPREAD_ACTIONS.includes(whenUnsatisfiable))
      errors.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, SPREAD_ACTIONS))
    if (last.get(spreadName(constraint)) !== i)
      errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, spreadName(constraint)))
    checkMinDomains(constraint, `${at}.minDomains`, errors)
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[field]
      if (policy !== undefined && !INCLUSION_POLICIES.includes(policy))
        errors.push(notSupported(`${at}.${field}`, policy, INCLUSION_POLICIES))
    }
    checkKeyNames(matchLabelKeys, `${at}.matchLabelKeys`, { labelSelector, errors })
    checkKeysAgainstSelector(matchLabelKeys, `${at}.matchLabelKeys`, { labelSelector, errors })
    checkLabelSelector(labelSelector, `${at}.labelSelector`, errors)
  })
}

function spreadName({ topologyKey = '', whenUnsatisfiable = '' }: TopologySpreadConstraint): string {
  return `{${topologyKey}, ${whenUnsatisfiable}}`
}

function checkMinDomains({ minDomains, whenUnsatisfiable }: TopologySpreadConstraint, path: string, errors: Errors) {
  if (minDomains === undefined) return
  if (minDomains <= 0) errors.push(invalid(path, minDomains, NOT_POSITIVE))
  if (whenUnsatisfiable !== 'DoNotSchedule')
    errors.push(
      invalid(
        path,
        minDomains,
        `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable ?? ''}`
      )
    )
}

export function checkGates(gates: readonly PodSchedulingGate[], path: string, errors: Errors): void {
  const seen = new Set<string>()
  gates.forEach(({ name = '' }, i) => {
    checkQualifiedName(name, `${path}[${i}]`, errors)
    if (seen.has(name)) errors.push(duplicate(`${path}[${i}]`, name))
    seen.add(name)
  })
}
