/** ValidatingAdmissionPolicies and their bindings. Their expressions are compiled where admission runs them. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { byteLength, isCIdentifier, isDNS1035Label, isDNS1123Subdomain, isQualifiedName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import {
  checkMatchConditions,
  checkMatchResources,
  defaultMatchResources,
  FAILURE_POLICIES
} from './admission-rules.ts'
import { selectorText } from './apps.ts'
import { checkLabelSelector, complaints, type Errors, sameValue } from './checks.ts'
import { checkConditions } from './conditions.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import type {
  AuditAnnotation,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation
} from './types.ts'

const asPolicy = (object: KubeObject) => object as unknown as ValidatingAdmissionPolicy
const asBinding = (object: KubeObject) => object as unknown as ValidatingAdmissionPolicyBinding

const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge']
const ACTIONS = ['Audit', 'Deny', 'Warn']
const MOST_ANNOTATIONS = 20
const MOST_VALUE_BYTES = 5 * 1024

function checkParamKind({ apiVersion = '', kind = '' }: ParamKind, path: string, errors: Errors): void {
  const at = `${path}.apiVersion`
  if (apiVersion === '') errors.push(required(at))
  else if (apiVersion.split('/').length > 2)
    errors.push(invalid(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  else {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion]
    const wrongGroup = group ? isDNS1123Subdomain(group) : []
    if (wrongGroup.length > 0) errors.push(invalid(at, group, wrongGroup.join(',')))
    const wrongVersion = version ? isDNS1035Label(version) : []
    if (!version) errors.push(invalid(at, apiVersion, 'version must be specified'))
    else if (wrongVersion.length > 0) errors.push(invalid(at, version, wrongVersion.join(',')))
  }
  const wrong = isDNS1035Label(kind.toLowerCase())
  if (kind === '') errors.push(required(`${path}.kind`))
  else if (wrong.length > 0)
    errors.push(invalid(`${path}.kind`, kind, `may have mixed case, but should otherwise match: ${wrong.join(',')}`))
}

function checkValidation(validation: Validation, path: string, errors: Errors): void {
  const { expression = '', message = '', messageExpression = '', reason } = validation
  const [trimmed, words] = [expression.trim(), message.trim()]
  if (trimmed === '') errors.push(required(`${path}.expression`, 'expression is not specified'))
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.push(invalid(`${path}.messageExpression`, messageExpression, 'must be non-empty if specified'))
  const broken = (text: string) => /[\r\n]/.test(text)
  if (message !== '' && words === '')
    errors.push(invalid(`${path}.message`, message, 'message must be non-empty if specified'))
  else if (broken(words)) errors.push(invalid(`${path}.message`, message, 'message must not contain line breaks'))
  else if (broken(trimmed) && words === '')
    errors.push(required(`${path}.message`, 'message must be specified if expression contains line breaks'))
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS))
}

function checkAnnotation(annotation: AuditAnnotation, path: string, how: { policy: string; errors: Errors }): void {
  const { key, valueExpression = '' } = annotation
  const { policy, errors } = how
  if (policy !== '') errors.push(...complaints(`${path}.key`, key, isQualifiedName(`${policy}/${key}`)))
  else errors.push(...complaints(`${path}.key`, key, isQualifiedName(key)))
  if (valueExpression.trim() === '')
    errors.push(required(`${path}.valueExpression`, 'valueExpression is not specified'))
  else if (byteLength(valueExpression) > MOST_VALUE_BYTES)
    errors.push(required(`${path}.valueExpression`, `must not exceed ${MOST_VALUE_BYTES} bytes in length`))
}

function validatePolicy(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec = {} } = asPolicy(object)
  const before = old === undefined ? undefined : asPolicy(old).spec
  const { failurePolicy, paramKind, matchConstraints: match, validations = [], auditAnnotations = [] } = spec
  if (failurePolicy !== undefined && !FAILURE_POLICIES.includes(failurePolicy))
    errors.push(notSupported('spec.failurePolicy', failurePolicy, FAILURE_POLICIES))
  if (paramKind !== undefined) checkParamKind(paramKind, 'spec.paramKind', errors)
  if (match === undefined) errors.push(required('spec.matchConstraints'))
  else {
    checkMatchResources(match, 'spec.matchConstraints', errors)
    if ((match.resourceRules ?? []).length === 0) errors.push(required('spec.matchConstraints.resourceRules'))
  }
  const same =
    before !== undefined &&
    sameValue(spec.paramKind, before.paramKind) &&
    sameValue(spec.matchConditions, before.matchConditions)
  if (!same) checkMatchConditions(spec.matchConditions, 'spec.matchConditions', errors)
  spec.variables?.forEach(({ name, expression }, i) => {
    const path = `spec.variables[${i}]`
    if (!name) errors.push(required(`${path}.name`, 'name is not specified'))
    else if (isCIdentifier(name).length > 0)
      errors.push(invalid(`${path}.name`, name, 'name is not a valid CEL identifier'))
    if (!expression?.trim()) errors.push(required(`${path}.expression`, 'expression is not specified'))
  })
  const oneOf = 'validations or auditAnnotations must contain at least one item'
  if (validations.length === 0 && auditAnnotations.length === 0)
    errors.push(required('spec.validations', oneOf), required('spec.auditAnnotations', oneOf))
  validations.forEach((validation, i) => {
    checkValidation(validation, `spec.validations[${i}]`, errors)
  })
  if (auditAnnotations.length > MOST_ANNOTATIONS) {
    const shown = auditAnnotations.map((one) => goStruct('AuditAnnotation', one))
    errors.push(invalid('spec.auditAnnotations', shown, `must not have more than ${MOST_ANNOTATIONS} auditAnnotations`))
  }
  const seen = new Set<string>()
  auditAnnotations.forEach((annotation, i) => {
    const path = `spec.auditAnnotations[${i}]`
    checkAnnotation(annotation, path, { policy: metadata.name ?? '', errors })
    if (seen.has(annotation.key)) errors.push(duplicate(`${path}.key`, annotation.key))
    seen.add(annotation.key)
  })
  return errors
}

const policyRules: Rules = {
  ...specAndStatus(),
  generation: true,
  defaults: (object) => {
    const { spec } = asPolicy(object)
    if (spec === undefined) return
    spec.failurePolicy ??= 'Fail'
    defaultMatchResources(spec.matchConstraints)
  },
  validate: validatePolicy,
  validateStatus: (next) => {
    const errors: FieldError[] = []
    asPolicy(next).status?.typeChecking?.expressionWarnings?.forEach(({ fieldRef, warning }, i) => {
      const path = `status.typeChecking.expressionWarnings[${i}]`
      if (!warning) errors.push(required(`${path}.warning`))
      if (!fieldRef) errors.push(required(`${path}.fieldRef`))
    })
    checkConditions(asPolicy(next).status?.conditions, 'status.conditions', errors)
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec = {} } = asPolicy(object)
    const param = spec.paramKind
    return [
      metadata.name ?? '',
      spec.validations?.length ?? 0,
      param === undefined ? '<unset>' : `${param.apiVersion ?? ''}/${param.kind ?? ''}`,
      age(metadata.creationTimestamp, now)
    ]
  }
}

function checkParamRef(reference: ParamRef, path: string, errors: Errors): void {
  const { name, selector, parameterNotFoundAction: action } = reference
  if (name) {
    if (selector !== undefined) errors.push(forbidden(`${path}.name`, 'name and selector are mutually exclusive'))
  } else if (selector === undefined) errors.push(required(path, 'one of name or selector must be specified'))
  if (selector !== undefined) {
    checkLabelSelector(selector, `${path}.selector`, errors)
    if (name) errors.push(forbidden(`${path}.selector`, 'name and selector are mutually exclusive'))
  }
  if (!action) errors.push(required(`${path}.parameterNotFoundAction`))
  else if (action !== 'Deny' && action !== 'Allow')
    errors.push(notSupported(`${path}.parameterNotFoundAction`, action, ['Deny', 'Allow']))
}

function checkActions(actions: readonly string[], path: string, errors: Errors): void {
  actions.forEach((action, i) => {
    if (!ACTIONS.includes(action)) errors.push(notSupported(`${path}[${i}]`, action, ACTIONS))
    if (actions.indexOf(action) < i) errors.push(duplicate(`${path}[${i}]`, action))
  })
  if (actions.includes('Deny') && actions.includes('Warn'))
    errors.push(
      invalid(
        path,
        actions,
        'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)'
      )
    )
  if (actions.length === 0) errors.push(required(path, 'at least one validation action is required'))
}

const bindingRules: Rules = {
  generation: true,
  defaults: (object) => {
    const { spec } = asBinding(object)
    defaultMatchResources(spec?.matchResources)
  },
  validate: (object) => {
    const errors: FieldError[] = []
    const { policyName, paramRef, matchResources, validationActions = [] } = asBinding(object).spec ?? {}
    if (!policyName) errors.push(required('spec.policyName'))
    else errors.push(...complaints('spec.policyName', policyName, isDNS1123Subdomain(policyName)))
    if (paramRef !== undefined) checkParamRef(paramRef, 'spec.paramRef', errors)
    if (matchResources !== undefined) checkMatchResources(matchResources, 'spec.matchResources', errors)
    checkActions(validationActions, 'spec.validationActions', errors)
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec = {} } = asBinding(object)
    const { paramRef: param } = spec
    const named = param?.name ? `${param.namespace || '*'}/${param.name}` : undefined
    const shown = named ?? (param?.selector === undefined ? '<unset>' : selectorText(param.selector))
    return [metadata.name ?? '', spec.policyName ?? '', shown, age(metadata.creationTimestamp, now)]
  }
}

const GROUP = 'admissionregistration.k8s.io/v1'

export const admissionPolicyKinds: readonly Kind[] = [
  row(GROUP, 'validatingadmissionpolicies', policyRules),
  row(GROUP, 'validatingadmissionpolicybindings', bindingRules)
]
