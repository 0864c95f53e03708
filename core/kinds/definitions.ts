/** CustomResourceDefinitions. What they must be is checked by core/crd/, which is loaded when the first one is written. */

import type { KubeObject } from '../object.ts'
import { timestamp } from '../ports.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from './types.ts'

export const DEFINITIONS = 'apiextensions.k8s.io/customresourcedefinitions'
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io'

const asDefinition = (object: KubeObject) => object as unknown as CustomResourceDefinition

type Checks = typeof import('../crd/definition.ts')

let loaded: Checks | undefined

function checks(): Checks {
  if (loaded === undefined) throw new Error('the checks of definitions are not loaded')
  return loaded
}

/** Go's zero values stand for what is missing, so that the checks can tell of it. */
function setDefaults(object: KubeObject): void {
  const definition = asDefinition(object) as { spec?: Partial<CustomResourceDefinition['spec']> | null }
  definition.spec ??= {}
  const { spec } = definition
  spec.group ??= ''
  spec.scope ??= ''
  spec.versions ??= []
  spec.names ??= { plural: '', kind: '' }
  const { names } = spec
  names.plural ??= ''
  names.kind ??= ''
  if (!names.singular) names.singular = names.kind.toLowerCase()
  if (!names.listKind && names.kind) names.listKind = `${names.kind}List`
  spec.conversion ??= { strategy: 'None' }
  const service = spec.conversion.webhook?.clientConfig?.service
  if (service !== undefined) service.port ??= 443
}

/** Remembers that objects may be stored in this version. */
function noteStored(object: KubeObject): void {
  const definition = asDefinition(object)
  const storage = definition.spec?.versions?.find((version) => version.storage)?.name
  const { storedVersions = [] } = definition.status ?? {}
  if (storage === undefined || storedVersions.includes(storage)) return
  definition.status = { ...definition.status, storedVersions: [...storedVersions, storage] }
}

const NO_NAMES = { kind: '', plural: '' }
/** Go prints conditions that were never set as null. */
const NO_CONDITIONS = null as unknown as CustomResourceDefinitionCondition[]

const rules: Rules = {
  generation: true,
  anyFinalizer: true,
  load: async () => {
    loaded ??= await import('../crd/definition.ts')
  },
  defaults: setDefaults,
  prepareCreate: (object) => {
    object.status = { acceptedNames: NO_NAMES, conditions: NO_CONDITIONS, storedVersions: [] }
    noteStored(object)
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
    noteStored(next)
  },
  prepareStatus: (next, old) => {
    next.spec = old.spec
    const { managedFields } = next.metadata
    next.metadata = { ...old.metadata, ...(managedFields === undefined ? {} : { managedFields }) }
  },
  validate: (object, old) =>
    checks().definitionErrors(asDefinition(object), old === undefined ? undefined : asDefinition(old)),
  validateStatus: (next) => checks().statusErrors(asDefinition(next)),
  warnings: (next, old) =>
    checks().formatWarnings(asDefinition(next), old === undefined ? undefined : asDefinition(old)),
  prepareDelete: (object, { now }) => {
    const { finalizers = [] } = object.metadata
    if (!finalizers.includes(CLEANUP)) object.metadata.finalizers = [...finalizers, CLEANUP]
    const definition = asDefinition(object)
    const others = (definition.status?.conditions ?? []).filter(({ type }) => type !== 'Terminating')
    const condition = {
      lastTransitionTime: timestamp(now),
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      reason: 'InstanceDeletionPending',
      status: 'True',
      type: 'Terminating'
    }
    definition.status = { ...definition.status, conditions: [...others, condition] }
  },
  cells: (object) => [object.metadata.name ?? '', object.metadata.creationTimestamp ?? null]
}

export const definitionKinds: readonly Kind[] = [
  {
    ...row('apiextensions.k8s.io/v1', 'customresourcedefinitions', rules),
    schema: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition'
  }
]
