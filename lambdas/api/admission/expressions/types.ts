/** What expressions of admission may name, with the types that Kubernetes gives it (admission/plugin/cel/compile.go). */
import { BOOL, DYN, INT, listOf, mapOf, STRING, structOf, TIMESTAMP, type Type } from '../../../../core/cel/type.ts'

function struct(name: string, fields: Readonly<Record<string, Type>>): Type {
  return structOf(`kubernetes.${name}`, (field) => (Object.hasOwn(fields, field) ? fields[field] : undefined))
}

const texts = listOf(STRING)
const textMap = mapOf(STRING, STRING)
const groupVersionKind = struct('GroupVersionKind', { group: STRING, version: STRING, kind: STRING })
const groupVersionResource = struct('GroupVersionResource', { group: STRING, version: STRING, resource: STRING })

export const REQUEST = struct('AdmissionRequest', {
  kind: groupVersionKind,
  resource: groupVersionResource,
  subResource: STRING,
  requestKind: groupVersionKind,
  requestResource: groupVersionResource,
  requestSubResource: STRING,
  name: STRING,
  namespace: STRING,
  operation: STRING,
  userInfo: struct('UserInfo', { username: STRING, uid: STRING, groups: texts, extra: mapOf(STRING, texts) }),
  dryRun: BOOL,
  options: DYN
})

export const NAMESPACE = struct('Namespace', {
  metadata: struct('NamespaceMetadata', {
    name: STRING,
    generateName: STRING,
    namespace: STRING,
    labels: textMap,
    annotations: textMap,
    UID: STRING,
    creationTimestamp: TIMESTAMP,
    deletionGracePeriodSeconds: INT,
    deletionTimestamp: TIMESTAMP,
    generation: INT,
    resourceVersion: STRING,
    finalizers: texts
  }),
  spec: struct('NamespaceSpec', { finalizers: texts }),
  status: struct('NamespaceStatus', {
    conditions: listOf(
      struct('NamespaceCondition', {
        status: STRING,
        type: STRING,
        lastTransitionTime: TIMESTAMP,
        message: STRING,
        reason: STRING
      })
    ),
    phase: STRING
  })
})

/** The type of `variables`, whose fields come one after the other. */
export function variablesType(fields: ReadonlyMap<string, Type>): Type {
  return structOf('kubernetes.variables', (name) => fields.get(name))
}
