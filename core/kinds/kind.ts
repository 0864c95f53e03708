import type { FieldError } from '../errors.ts'
import type { Type } from '../merge/types.ts'
import type { KubeObject } from '../object.ts'
import type { WebhookConversion } from './types.ts'

/** A cell of a printed table: what `kubectl get` shows. */
export type Cell = string | number | boolean | null

export interface Column {
  readonly name: string
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  readonly format: string
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: number
  readonly description: string
}

/** A subresource as discovery lists it: "status", "scale", "binding" ... */
export interface Subresource {
  readonly name: string
  readonly kind: string
  /** Where it differs from the resource's own. */
  readonly group?: string
  readonly version?: string
  readonly verbs: readonly string[]
}

export interface RuleContext {
  /** Milliseconds since 1970. */
  readonly now: number
  /** For a generated nodePort and the like; in [0, 1). */
  readonly random: () => number
}

/**
 * What one kind does beyond the generic machine. Each function but `cells` and `indexes` may change the object that it
 * is given (a private copy); none does I/O. Absent means "as the generic machine does".
 */
export interface Rules {
  /** Fills what the user left out, as Kubernetes' own defaulting does. Runs on each write, before validation. */
  readonly defaults?: (object: KubeObject) => void
  /** Before a creation: clears what a client may not set (status), sets the first values (status.phase: Pending). */
  readonly prepareCreate?: (object: KubeObject, context: RuleContext) => void
  /** Before an update of the object itself: restores from `old` what this path may not change (status). */
  readonly prepareUpdate?: (next: KubeObject, old: KubeObject, context: RuleContext) => void
  /** Before an update of the status subresource; the default keeps everything of `old` but `status`. */
  readonly prepareStatus?: (next: KubeObject, old: KubeObject, context: RuleContext) => void
  /** Beyond the schema and metadata, which the generic machine checks. `old`: on an update. */
  readonly validate?: (object: KubeObject, old?: KubeObject) => FieldError[]
  /** In addition to `validate` on the new object. */
  readonly validateUpdate?: (next: KubeObject, old: KubeObject) => FieldError[]
  readonly validateStatus?: (next: KubeObject, old: KubeObject) => FieldError[]
  /** What a client is told of an object that is taken nevertheless. `old` is absent for a new one. */
  readonly warnings?: (next: KubeObject, old: KubeObject | undefined) => readonly string[]
  /** In addition to `validate` on a new object. */
  readonly validateCreate?: (object: KubeObject) => FieldError[]
  /** How the kind's own check of an update looks at metadata: as of an update, also as of a new object, or only so. */
  readonly metadataOnUpdate?: 'also as new' | 'only as new'
  /** Takes finalizers without a domain. */
  readonly anyFinalizer?: boolean
  /** Which names are allowed; the default is a DNS-1123 subdomain. */
  readonly name?: 'subdomain' | 'label' | 'label1035' | 'path' | 'ip'
  /** Whether metadata.generation counts the changes of everything but metadata and status; or but metadata only. */
  readonly generation?: boolean | 'with status'
  /** Loads what the other rules need and nothing else does. Awaited before each write. */
  readonly load?: () => Promise<unknown>
  /** What the first request to delete an object does to it, beyond its marks. */
  readonly prepareDelete?: (object: KubeObject, context: RuleContext) => void
  /** Deletion waits for somebody to confirm it: pods on a node. Seconds; 0 deletes at once. */
  readonly gracePeriod?: (object: KubeObject) => number
  /** Field selectors beyond metadata.name and metadata.namespace. A missing value is ''. */
  readonly fields?: Readonly<Record<string, (object: KubeObject) => string>>
  /** Kept in the store beside the object: index name -> the values that this object is found under. */
  readonly indexes?: Readonly<Record<string, (object: KubeObject) => readonly string[]>>
  /** One row of the table; as many cells as `columns`. `now` in milliseconds, for ages. */
  readonly cells?: (object: KubeObject, now: number) => Cell[]
  /** What a deletion does with dependents when the client does not say. */
  readonly defaultPropagation?: 'Background' | 'Orphan'
  readonly scale?: ScalePaths
}

/** How a kind that shares its storage with another version or group reads and writes what is stored. Both copy. */
export interface Conversion {
  readonly toStorage: (object: KubeObject) => KubeObject
  readonly fromStorage: (stored: KubeObject) => KubeObject
}

/** Where the scale subresource finds its values. */
export interface ScalePaths {
  /** As in ['spec', 'replicas']. */
  readonly specReplicas: readonly string[]
  readonly statusReplicas: readonly string[]
  /** The selector of status.selector, as a LabelSelector or as text. */
  readonly selector: (object: KubeObject) => string
  /** Why the object has no scale at all; undefined: it has one. */
  readonly missing?: (object: KubeObject) => string | undefined
}

/** What a kind has because a CustomResourceDefinition made it. */
export interface CustomKind {
  /** The definition's name. */
  readonly definition: string
  /** Of "stable.example.com/v1": "v1". */
  readonly storageVersion: string
  readonly isStorage: boolean
  /** As the definition has it (JSONSchemaProps). */
  readonly schema: object
  /** Reads JSON as an object of the kind. Throws BadRequest with the bare text of what is wrong. */
  readonly decode: (value: unknown) => { readonly object: KubeObject; readonly unknown: readonly string[] }
  /** How structured merging sees it. */
  readonly type: () => Type
  /** The definition is being deleted: nothing new comes. */
  readonly terminating: boolean
  /** What everybody is told who asks for this version. */
  readonly deprecation?: string
  /** Who converts between versions; absent: only their names change. */
  readonly webhook?: WebhookConversion
}

/** One resource of the API. A newcomer adds a kind as one of these rows, and only so. */
export interface Kind {
  readonly group: string
  readonly version: string
  /** Plural, as in a path: "deployments". */
  readonly resource: string
  readonly kind: string
  readonly listKind: string
  readonly singular: string
  readonly namespaced: boolean
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  readonly verbs: readonly string[]
  readonly subresources: readonly Subresource[]
  /** The resource in the store, "apps/deployments" or "pods": one sequence of versions each. */
  readonly storage: string
  /** Its name in schemas.json. */
  readonly schema: string
  readonly columns: readonly Column[]
  readonly rules: Rules
  /** Absent: objects are stored as they are served. */
  readonly convert?: Conversion
  /** Set where a CustomResourceDefinition made it. */
  readonly custom?: CustomKind
  /** Wherry's own bookkeeping: served to those who may read it, never listed in discovery. */
  readonly hidden?: boolean
}

export function apiVersionOf(kind: { group: string; version: string }): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`
}

/** "deployments.apps", or "pods": how messages name a resource. */
export function groupResource(kind: { group: string; resource: string }): string {
  return kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`
}
