import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1123Subdomain, isPathSegmentName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkLabelSelector, complaints } from './checks.ts'
import type { Cell, Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import type { ClusterRole, PolicyRule, RbacSubject, Role, RoleBinding } from './types.ts'

const GROUP = 'rbac.authorization.k8s.io'

const role = (object: KubeObject) => object as Role & ClusterRole
const binding = (object: KubeObject) => object as unknown as RoleBinding

function checkRules(rules: readonly PolicyRule[] | null | undefined, namespaced: boolean, errors: FieldError[]): void {
  rules?.forEach((rule, i) => {
    const path = `rules[${i}]`
    const { verbs = [], nonResourceURLs = [], apiGroups = [], resources = [], resourceNames = [] } = rule
    if (verbs.length === 0) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'))
    if (nonResourceURLs.length > 0) {
      const problem = (text: string) => errors.push(invalid(`${path}.nonResourceURLs`, nonResourceURLs, text))
      if (namespaced) problem('namespaced rules cannot apply to non-resource URLs')
      if (apiGroups.length + resources.length + resourceNames.length > 0)
        problem('rules cannot apply to both regular resources and non-resource URLs')
      return
    }
    if (apiGroups.length === 0)
      errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
    if (resources.length === 0)
      errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'))
  })
}

function checkAggregation({ aggregationRule }: ClusterRole, errors: FieldError[]): void {
  if (aggregationRule === undefined) return
  const path = 'aggregationRule.clusterRoleSelectors'
  const selectors = aggregationRule.clusterRoleSelectors ?? []
  if (selectors.length === 0)
    errors.push(required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
  selectors.forEach((selector, i) => {
    const before = errors.length
    checkLabelSelector(selector, `${path}[${i}]`, errors)
    if (errors.length > before) errors.push(invalid(`${path}[${i}]`, null, 'invalid label selector.'))
  })
}

function roleRules(namespaced: boolean): Rules {
  return {
    name: 'path',
    metadataOnUpdate: 'also as new',
    // Go prints this list always, and null where there is none.
    defaults: (object) => {
      object.rules ??= null
    },
    validate: (object) => {
      const errors: FieldError[] = []
      checkRules(role(object).rules, namespaced, errors)
      if (!namespaced) checkAggregation(role(object), errors)
      return errors
    },
    cells: ({ metadata }) => [metadata.name ?? '', metadata.creationTimestamp ?? '']
  }
}

function defaultBinding(object: KubeObject): void {
  object.roleRef ??= {}
  const { roleRef, subjects = [] } = binding(object)
  roleRef.apiGroup ||= GROUP
  for (const subject of subjects)
    if ((subject.apiGroup ?? '') === '' && (subject.kind === 'User' || subject.kind === 'Group'))
      subject.apiGroup = GROUP
}

function checkSubject(
  subject: RbacSubject,
  { path, namespaced, errors }: { path: string; namespaced: boolean; errors: FieldError[] }
): void {
  const { kind, name, apiGroup = '', namespace = '' } = subject
  if ((name ?? '') === '') errors.push(required(`${path}.name`))
  switch (kind) {
    case 'ServiceAccount':
      if (name) errors.push(...complaints(`${path}.name`, name, isDNS1123Subdomain(name)))
      if (apiGroup !== '') errors.push(notSupported(`${path}.apiGroup`, apiGroup, ['']))
      if (!namespaced && namespace === '') errors.push(required(`${path}.namespace`))
      break
    case 'User':
    case 'Group':
      if (apiGroup !== GROUP) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [GROUP]))
      break
    default:
      errors.push(notSupported(`${path}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group']))
  }
}

function validateBinding(object: KubeObject, namespaced: boolean): FieldError[] {
  const { roleRef = { apiGroup: '', kind: '', name: '' }, subjects = [] } = binding(object)
  const errors: FieldError[] = []
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']
  if (roleRef.apiGroup !== GROUP) errors.push(notSupported('roleRef.apiGroup', roleRef.apiGroup ?? '', [GROUP]))
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported('roleRef.kind', roleRef.kind ?? '', kinds))
  if (!roleRef.name) errors.push(required('roleRef.name'))
  else errors.push(...complaints('roleRef.name', roleRef.name, isPathSegmentName(roleRef.name)))
  subjects.forEach((subject, i) => {
    checkSubject(subject, { path: `subjects[${i}]`, namespaced, errors })
  })
  return errors
}

function validateBindingUpdate(next: KubeObject, old: KubeObject): FieldError[] {
  const [now, before] = [binding(next).roleRef, binding(old).roleRef]
  const same = now.apiGroup === before.apiGroup && now.kind === before.kind && now.name === before.name
  // Kubernetes prints its internal type here, whose fields have no JSON names.
  const printed = { APIGroup: now.apiGroup ?? '', Kind: now.kind ?? '', Name: now.name ?? '' }
  return same ? [] : [invalid('roleRef', printed, 'cannot change roleRef')]
}

function bindingCells(object: KubeObject, now: number): Cell[] {
  const { metadata, roleRef, subjects = [] } = binding(object)
  const names = (kind: string) => subjects.filter((subject) => subject.kind === kind)
  return [
    metadata.name ?? '',
    `${roleRef.kind}/${roleRef.name}`,
    age(metadata.creationTimestamp, now),
    names('User')
      .map(({ name }) => name)
      .join(', '),
    names('Group')
      .map(({ name }) => name)
      .join(', '),
    names('ServiceAccount')
      .map(({ namespace = '', name }) => `${namespace}/${name}`)
      .join(', ')
  ]
}

function bindingRules(namespaced: boolean): Rules {
  return {
    name: 'path',
    metadataOnUpdate: 'also as new',
    defaults: defaultBinding,
    validate: (object) => validateBinding(object, namespaced),
    validateUpdate: validateBindingUpdate,
    cells: bindingCells
  }
}

export const rbacKinds: readonly Kind[] = [
  row(`${GROUP}/v1`, 'roles', roleRules(true)),
  row(`${GROUP}/v1`, 'rolebindings', bindingRules(true)),
  row(`${GROUP}/v1`, 'clusterroles', roleRules(false)),
  row(`${GROUP}/v1`, 'clusterrolebindings', bindingRules(false))
]
