/**
 * The kinds that CustomResourceDefinitions add to the built-in ones while the server runs. Definitions are read when
 * somebody asks for what no built-in group has, and again when their resource's version moved: also those that another
 * process wrote. What Kubernetes' controllers in the API server do for definitions (names, Established, the deletion of
 * instances) is done here, after each write of one.
 */
import { Client } from '../../core/client.ts'
import { isReason } from '../../core/errors.ts'
import type { Send, UserInfo } from '../../core/http.ts'
import { CLEANUP, DEFINITIONS } from '../../core/kinds/definitions.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import type { ResourceRef } from '../../core/kinds/refs.ts'
import { createKindTable, type KindTable } from '../../core/kinds/table.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionStatus } from '../../core/kinds/types.ts'
import { type KubeObject, splitKey } from '../../core/object.ts'
import type { Ports } from '../../core/ports.ts'
import type { StoreApi } from '../../store/store.ts'

/** Whoever acts for the API server itself. */
export const SELF: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] }
const MANAGER = 'kube-apiserver'
/** Another process may have written a definition: looked for at most so often, unless something unknown is asked for. */
const LOOK_AGAIN_MS = 1_000
/** A pass changes something and is run again; definitions that block each other end in one. */
const MOST_PASSES = 50

const definitionRef: ResourceRef<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false
}

interface Known {
  readonly definition: CustomResourceDefinition
  readonly kinds: readonly Kind[]
}

export interface DefinitionsOptions {
  readonly store: StoreApi
  readonly ports: Ports
  readonly rows: readonly Kind[]
  /** The server's own door, for what it writes itself. */
  readonly send: Send
}

export class Definitions {
  table: KindTable
  private readonly options: DefinitionsOptions
  private readonly client: Client
  private readonly builtIn: ReadonlySet<string>
  private known = new Map<string, Known>()
  /** The version of the definitions that `known` is from. */
  private version = -1
  private lookedAt = Number.NEGATIVE_INFINITY
  private queue: Promise<void> = Promise.resolve()

  constructor(options: DefinitionsOptions) {
    this.options = options
    this.table = createKindTable(options.rows)
    this.builtIn = new Set(options.rows.map(({ group }) => group))
    this.client = new Client(
      (request) => options.send({ ...request, headers: { ...request.headers, 'user-agent': MANAGER } }),
      SELF
    )
  }

  /** Whether a group's kinds may have come of definitions. */
  isOpen(group: string): boolean {
    return !this.builtIn.has(group)
  }

  /** Makes `table` current. `now`: somebody asks for what is not there, so no look is spared. */
  async look(now: boolean): Promise<void> {
    const { clock } = this.options.ports
    if (!now && clock.now() - this.lookedAt < LOOK_AGAIN_MS) return
    this.lookedAt = clock.now()
    if ((await this.options.store.version(DEFINITIONS)) === this.version) return
    await this.settle()
  }

  /** Does what a written definition, or the end of an instance, asks for; then `table` is current. */
  async settle(): Promise<void> {
    const next = this.queue.then(() => this.pass())
    this.queue = next.catch(() => {})
    await next
  }

  private async pass(): Promise<void> {
    for (let i = 0; i < MOST_PASSES; i++) {
      const { entries, version } = await this.options.store.list(DEFINITIONS)
      const definitions = entries.map(({ value }) => value as unknown as CustomResourceDefinition)
      if (version !== this.version) await this.rebuild(definitions, version)
      if (definitions.length === 0 || !(await this.progress(definitions))) return
    }
  }

  private async rebuild(definitions: readonly CustomResourceDefinition[], version: number): Promise<void> {
    const known = new Map<string, Known>()
    let changed = definitions.length < this.known.size
    for (const definition of definitions) {
      const name = definition.metadata.name ?? ''
      const { isConditionTrue } = await import('../../core/crd/conditions.ts')
      if (!isConditionTrue(definition, 'Established')) continue
      const { kindsOf, servedAlike } = await import('../../core/crd/kinds.ts')
      const before = this.known.get(name)
      const same =
        before !== undefined &&
        before.definition.metadata.uid === definition.metadata.uid &&
        servedAlike(before.definition, definition)
      known.set(name, { definition, kinds: same ? before.kinds : (await kindsOf(definition)).kinds })
      changed ||= !same
    }
    changed ||= known.size !== this.known.size
    this.known = known
    this.version = version
    if (changed)
      this.table = createKindTable([...this.options.rows, ...[...known.values()].flatMap(({ kinds }) => kinds)])
  }

  /** Whether something was written. */
  private async progress(definitions: readonly CustomResourceDefinition[]): Promise<boolean> {
    const { nextStatus } = await import('../../core/crd/conditions.ts')
    for (const definition of definitions) {
      if (definition.metadata.deletionTimestamp !== undefined) {
        if (await this.cleanUp(definition)) return true
        continue
      }
      const others = definitions.filter((one) => one !== definition && one.spec.group === definition.spec.group)
      const status = nextStatus(definition, others, this.options.ports.clock.now())
      if (status === undefined) continue
      await this.writeStatus(definition, status)
      return true
    }
    return false
  }

  private async writeStatus(
    definition: CustomResourceDefinition,
    status: CustomResourceDefinitionStatus
  ): Promise<void> {
    const { managedFields: _, ...metadata } = definition.metadata
    const next = { ...structuredClone({ ...definition, metadata }), status: structuredClone(status) }
    await ignoringRivals(this.client.update(definitionRef, next, { subresource: 'status', fieldManager: MANAGER }))
  }

  /** Deletes the instances of a definition that is being deleted; the last one gone, lets it go too. */
  private async cleanUp(definition: CustomResourceDefinition): Promise<boolean> {
    const { finalizers = [], name = '' } = definition.metadata
    if (!finalizers.includes(CLEANUP)) return false
    const { withCondition, findCondition } = await import('../../core/crd/conditions.ts')
    const now = this.options.ports.clock.now()
    const mark = async (condition: { status: string; reason: string; message: string }): Promise<boolean> => {
      const old = findCondition(definition, 'Terminating')
      if (old?.reason === condition.reason && old.status === condition.status) return false
      const conditions = withCondition(definition.status?.conditions ?? [], { type: 'Terminating', ...condition }, now)
      await this.writeStatus(definition, { ...definition.status, conditions })
      return true
    }
    const left = await this.deleteInstances(name)
    if (left) {
      return await mark({
        status: 'True',
        reason: 'InstanceDeletionInProgress',
        message: 'CustomResource deletion is in progress'
      })
    }
    if (await mark({ status: 'False', reason: 'InstanceDeletionCompleted', message: 'removed all instances' }))
      return true
    const kept = finalizers.filter((one) => one !== CLEANUP)
    const body = {
      metadata: { finalizers: kept.length === 0 ? null : kept, resourceVersion: definition.metadata.resourceVersion }
    }
    await ignoringRivals(this.client.patch(definitionRef, { name }, { type: 'merge', body, fieldManager: MANAGER }))
    return true
  }

  /** Whether some are left, because something holds them. */
  private async deleteInstances(name: string): Promise<boolean> {
    const kind = this.known.get(name)?.kinds[0]
    if (kind === undefined) return false
    const { entries } = await this.options.store.list(kind.storage)
    const ref = kind as ResourceRef<KubeObject>
    for (const { key } of entries) await ignoringRivals(this.client.delete(ref, splitKey(key)))
    return (await this.options.store.list(kind.storage, { limit: 1 })).entries.length > 0
  }
}

/** Somebody else wrote or removed the object meanwhile: the next pass sees what is there. */
async function ignoringRivals(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isReason(error, 'Conflict', 'NotFound')) throw error
  }
}
