/** Namespaces and service accounts: what others live in and act as. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { isTerminating } from '../object.ts'
import { finalizerNameErrors } from '../validate-metadata.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type { Namespace, ServiceAccount } from './types.ts'

const namespace = (object: KubeObject) => object as Namespace

const MOUNTABLE = 'kubernetes.io/enforce-mountable-secrets'
const UNSET = null as unknown as string
const NAME_LABEL = 'kubernetes.io/metadata.name'

function labelWithName({ metadata }: KubeObject): void {
  if ((metadata.name ?? '') !== '') metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.name ?? '' }
}

function prepareNamespace(object: KubeObject): void {
  const it = namespace(object)
  labelWithName(object)
  const finalizers = it.spec?.finalizers ?? []
  it.spec = { finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] }
  it.status = { phase: 'Active' }
}

/** spec.finalizers only change through the subresource "finalize", status through "status". */
function keepNamespace(next: KubeObject, old: KubeObject): void {
  for (const field of ['spec', 'status'] as const)
    if (old[field] === undefined) delete next[field]
    else next[field] = old[field]
}

function validateNamespace(object: KubeObject): FieldError[] {
  return (namespace(object).spec?.finalizers ?? []).flatMap((one) => finalizerNameErrors(one, 'spec.finalizers'))
}

function validateNamespaceStatus(next: KubeObject): FieldError[] {
  const phase = namespace(next).status?.phase ?? ''
  if (isTerminating(next))
    return phase === 'Terminating'
      ? []
      : [invalid('status.Phase', phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
  return phase === 'Active'
    ? []
    : [invalid('status.Phase', phase, "may only be 'Active' if `deletionTimestamp` is empty")]
}

/** Of the references to secrets, only the names are kept. */
function keepSecretNames(object: KubeObject): void {
  const account = object as ServiceAccount
  if (account.secrets !== undefined) account.secrets = account.secrets.map(({ name }) => (name ? { name } : {}))
}

export const accountKinds: readonly Kind[] = [
  row('v1', 'namespaces', {
    name: 'label',
    defaults: (object) => {
      labelWithName(object)
      for (const condition of namespace(object).status?.conditions ?? []) condition.lastTransitionTime ??= UNSET
    },
    prepareCreate: prepareNamespace,
    prepareUpdate: keepNamespace,
    validate: validateNamespace,
    metadataOnUpdate: 'also as new',
    validateStatus: validateNamespaceStatus,
    fields: {
      name: ({ metadata }) => metadata.name ?? '',
      'status.phase': (object) => namespace(object).status?.phase ?? ''
    },
    cells: (object, now) => {
      const { metadata, status } = namespace(object)
      return [metadata.name ?? '', status?.phase ?? '', age(metadata.creationTimestamp, now)]
    }
  }),
  row('v1', 'serviceaccounts', {
    prepareCreate: keepSecretNames,
    prepareUpdate: keepSecretNames,
    metadataOnUpdate: 'also as new',
    warnings: ({ metadata }, old) =>
      metadata.annotations?.[MOUNTABLE] !== undefined && old?.metadata.annotations?.[MOUNTABLE] === undefined
        ? [
            `metadata.annotations[${MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`
          ]
        : [],
    cells: ({ metadata }, now) => [metadata.name ?? '', age(metadata.creationTimestamp, now)]
  })
]
