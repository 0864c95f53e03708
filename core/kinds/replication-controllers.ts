import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { replicaStatusErrors } from './apps.ts'
import { checkNonnegative, type Errors, sorted } from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { defaultPodTemplate } from './pod-defaults.ts'
import { checkPodTemplate } from './pod-validate.ts'
import { hostnameWarnings, templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import { labelsText, templateCells } from './template-cells.ts'
import type { ReplicationController, ReplicationControllerSpec } from './types.ts'

const asController = (object: KubeObject) => object as unknown as ReplicationController
const isEmpty = (map: object | undefined) => map === undefined || Object.keys(map).length === 0

/** Selector and labels are those of the template, unless they are given. */
function defaultController(object: KubeObject): void {
  const { spec = {}, metadata } = asController(object)
  const labels = spec.template?.metadata?.labels
  if (labels !== undefined) {
    if (isEmpty(spec.selector)) spec.selector = { ...labels }
    if (isEmpty(metadata.labels)) metadata.labels = { ...labels }
  }
  spec.replicas ??= 1
  if (spec.template !== undefined) defaultPodTemplate(spec.template)
}

function checkTemplate({ template, selector = {} }: ReplicationControllerSpec, path: string, errors: Errors): void {
  if (template === undefined) {
    errors.push(required(path))
    return
  }
  const labels = template.metadata?.labels
  if (Object.entries(selector).some(([key, value]) => labels?.[key] !== value))
    errors.push(invalid(`${path}.metadata.labels`, sorted(labels), '`selector` does not match template `labels`'))
  checkPodTemplate(template, path, errors)
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {}
  if (restartPolicy !== 'Always')
    errors.push(notSupported(`${path}.spec.restartPolicy`, restartPolicy ?? '', ['Always']))
  if (activeDeadlineSeconds !== undefined)
    errors.push(
      forbidden(`${path}.spec.activeDeadlineSeconds`, 'activeDeadlineSeconds in ReplicationController is not Supported')
    )
}

const ofTemplate = templateWarnings((object) => asController(object).spec?.template, 'spec.template')

const rules: Rules = {
  ...specAndStatus(() => ({ replicas: 0 })),
  defaults: defaultController,
  validate: (object) => {
    const errors: FieldError[] = []
    const { spec = {} } = asController(object)
    checkNonnegative(spec.minReadySeconds, 'spec.minReadySeconds', errors)
    if (isEmpty(spec.selector)) errors.push(required('spec.selector'))
    checkNonnegative(spec.replicas, 'spec.replicas', errors)
    checkTemplate(spec, 'spec.template', errors)
    return errors
  },
  validateStatus: (next) => replicaStatusErrors(asController(next).status ?? { replicas: 0 }),
  warnings: (next, old) => [
    ...(old === undefined ? hostnameWarnings(next.metadata.name, 'Pod names and hostnames') : []),
    ...ofTemplate(next, old)
  ],
  generation: true,
  defaultPropagation: 'Orphan',
  fields: { 'status.replicas': (object) => String(asController(object).status?.replicas ?? 0) },
  cells: (object, now) => {
    const { metadata, spec, status } = asController(object)
    return [
      metadata.name ?? '',
      spec?.replicas ?? 0,
      status?.replicas ?? 0,
      status?.readyReplicas ?? 0,
      age(metadata.creationTimestamp, now),
      ...templateCells(spec?.template),
      labelsText(spec?.selector)
    ]
  },
  scale: {
    specReplicas: ['spec', 'replicas'],
    statusReplicas: ['status', 'replicas'],
    selector: (object) =>
      Object.entries(asController(object).spec?.selector ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .sort()
        .join(',')
  }
}

export const replicationControllerKinds: readonly Kind[] = [row('v1', 'replicationcontrollers', rules)]
