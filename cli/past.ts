/** `history`, `diff`, `undo` and `get --at`: what the API tells of the past (docs/adr/0012-history.md). */
import { isReason } from '../core/errors.ts'
import type { FieldChange } from '../core/field-changes.ts'
import type { Send } from '../core/http.ts'
import type { KubeObject } from '../core/object.ts'
import { unifiedDiff } from '../core/unified-diff.ts'
import { type ApiResource, ask, findResource, nameOf, pathOf } from './api-resources.ts'
import { requireCluster } from './cluster.ts'
import { connectAsAdmin } from './connect.ts'
import { CliError } from './errors.ts'
import { pathsOf } from './paths.ts'
import { requireRunning } from './running.ts'

export interface PastOptions {
  readonly dataDir: string
  readonly namespace?: string
}

interface Named {
  readonly send: Send
  readonly at: ApiResource
  readonly name: string
  /** Of the object, without a query. */
  readonly path: string
}

const print = (text: string) => process.stdout.write(text)

async function connected<T>(options: PastOptions, work: (send: Send) => Promise<T>): Promise<T> {
  const paths = pathsOf(options.dataDir)
  const cluster = requireCluster(paths)
  requireRunning(paths)
  const connection = connectAsAdmin(paths, cluster)
  try {
    return await work(connection.send)
  } finally {
    connection.close()
  }
}

/** `object`: KIND/NAME. */
async function named(send: Send, object: string, options: PastOptions): Promise<Named> {
  const [kind = '', name = '', ...more] = object.split('/')
  if (kind === '' || name === '' || more.length > 0) {
    throw new CliError(`expected KIND/NAME, not "${object}"`, { exitCode: 2 })
  }
  const at = await findResource(send, kind)
  return { send, at, name, path: pathOf(at, options.namespace ?? 'default', name) }
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A version, a time, or how long ago ("90s", "1h30m"), as the API takes it. */
export function momentOf(text: string, now: number): string {
  if (/^\d+$/.test(text)) return text
  if (/^(\d+[smhd])+$/.test(text)) {
    let ago = 0
    for (const [, amount, unit] of text.matchAll(/(\d+)([smhd])/g)) ago += Number(amount) * (UNITS[unit ?? ''] ?? 0)
    return new Date(now - ago).toISOString()
  }
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) {
    const example = 'a resourceVersion, a time such as 2026-05-01T12:00:00Z, or how long ago such as 15m'
    throw new CliError(`expected ${example}, not "${text}"`, { exitCode: 2 })
  }
  return /\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/.test(text) ? text : new Date(ms).toISOString()
}

// --- history

interface HistoryItem {
  readonly resourceVersion: string
  readonly type: 'created' | 'updated' | 'deleted' | 'kept'
  readonly time?: string
  readonly changes: readonly FieldChange[]
}

interface ObjectHistory {
  readonly metadata: { readonly continue?: string }
  readonly items: readonly HistoryItem[]
}

export async function history(
  object: string,
  options: PastOptions & { limit: number; output?: string }
): Promise<void> {
  await connected(options, async (send) => {
    const { at, path } = await named(send, object, options)
    const query = { wherryHistory: 'true', limit: String(options.limit) }
    const answer = await ask<ObjectHistory>(send, `GET ${path}`, { query })
    if (options.output === 'json') print(`${JSON.stringify(answer, null, 2)}\n`)
    else print(historyText(answer, at.kind === 'Secret'))
  })
}

const HISTORY_HEAD = ['VERSION', 'TIME', 'WHAT', 'WHO', 'CHANGE']

/** `secret`: values of data are not shown. */
export function historyText({ items, metadata }: ObjectHistory, secret: boolean): string {
  const rows: string[][] = [HISTORY_HEAD]
  for (const item of items) {
    const lines = changeLines(item, secret)
    const [first = ['', '']] = lines
    rows.push([item.resourceVersion, item.time ?? '', item.type, ...first])
    for (const line of lines.slice(1)) rows.push(['', '', '', ...line])
  }
  const more = metadata.continue === undefined ? '' : `... and earlier ones: --limit\n`
  return columns(rows) + more
}

/** Who, and what, of each change. All of a new object has changed: then only who made it is told. */
function changeLines({ type, changes }: HistoryItem, secret: boolean): string[][] {
  const who = ({ manager = '-', subresource }: FieldChange) =>
    subresource === undefined ? manager : `${manager} (${subresource})`
  if (type === 'created') return [...new Set(changes.map(who))].filter((one) => one !== '-').map((one) => [one, ''])
  return changes.map((change) => [who(change), changeText(change, secret)])
}

const LONGEST_VALUE = 60

function changeText({ field, from, to }: FieldChange, secret: boolean): string {
  const hidden = secret && /^(data|stringData)\b/.test(field)
  const show = (value: unknown) => (hidden ? hiddenText(value) : valueText(value))
  if (from === undefined) return `${field}: ${show(to)}`
  if (to === undefined) return `${field}: ${show(from)} -> gone`
  return `${field}: ${show(from)} -> ${show(to)}`
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value)
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 3)}...` : text
}

function hiddenText(value: unknown): string {
  return `(${Buffer.from(String(value), 'base64').length} bytes)`
}

/** As kubectl sets its tables: three blanks between columns. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd((widths[i] ?? 0) + 3)).join('')
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('')
}

// --- diff

export async function diff(object: string, options: PastOptions & { at: string }): Promise<void> {
  await connected(options, async (send) => {
    const { at, name, path } = await named(send, object, options)
    const wherryAt = momentOf(options.at, Date.now())
    const before = await ask<KubeObject>(send, `GET ${path}`, { query: { wherryAt } })
    const after = await present(send, path)
    const text = await diffText(before, after)
    const now = after === undefined ? 'gone' : `now, version ${after.metadata.resourceVersion}`
    if (text === '') print(`${nameOf(at, name)} is as it was\n`)
    else print(`--- ${nameOf(at, name)} version ${before.metadata.resourceVersion}\n+++ ${now}\n${text}`)
  })
}

async function present(send: Send, path: string): Promise<KubeObject | undefined> {
  try {
    return await ask<KubeObject>(send, `GET ${path}`)
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

/** Of the objects as YAML, without the bookkeeping of each write. */
export async function diffText(before: KubeObject, after: KubeObject | undefined): Promise<string> {
  const { stringify } = await import('yaml')
  const text = (object: KubeObject | undefined) => {
    if (object === undefined) return ''
    const { managedFields: _, resourceVersion: __, ...metadata } = object.metadata
    return stringify({ ...object, metadata }, { aliasDuplicateObjects: false, lineWidth: 0, sortMapEntries: true })
  }
  const [was, is] = [text(before), text(after)]
  return was === is ? '' : unifiedDiff(was, is)
}

// --- undo

export async function undo(object: string, options: PastOptions & { to: string }): Promise<void> {
  await connected(options, async (send): Promise<void> => {
    const { at, name, path } = await named(send, object, options)
    const wherryAt = momentOf(options.to, Date.now())
    const past = await ask<KubeObject>(send, `GET ${path}`, { query: { wherryAt } })
    const current = await present(send, path)
    const what = nameOf(at, name)
    const version = past.metadata.resourceVersion
    if (current?.metadata.resourceVersion === version) {
      print(`${what} is at version ${version} already\n`)
      return
    }
    const query = { fieldManager: 'wherry-undo' }
    if (current === undefined) {
      const collection = pathOf(at, at.namespaced ? (options.namespace ?? 'default') : undefined)
      const made = await ask<KubeObject>(send, `POST ${collection}`, { query, body: remade(past) })
      print(`${what} was gone and is made again as of version ${version}, now ${made.metadata.resourceVersion}\n`)
      return
    }
    const next = await ask<KubeObject>(send, `PUT ${path}`, { query, body: restored(past, current) }).catch(
      (error: unknown) => {
        if (!isReason(error, 'Conflict')) throw error
        throw new CliError(`${what} was changed by somebody else meanwhile, so nothing was undone: ${error.message}`, {
          hint: `see what happened with ./wherry history ${object}, then try again`
        })
      }
    )
    print(`${what} is as it was at version ${version}, now ${next.metadata.resourceVersion}\n`)
  })
}

/** The former object as an update of what is there now, and of nothing else. */
export function restored(past: KubeObject, current: KubeObject): KubeObject {
  const { labels, annotations, finalizers, ownerReferences } = past.metadata
  const {
    labels: _,
    annotations: __,
    finalizers: ___,
    ownerReferences: ____,
    managedFields: _____,
    ...kept
  } = current.metadata
  const { status: ______, ...rest } = past
  return { ...rest, metadata: given({ ...kept, labels, annotations, finalizers, ownerReferences }) }
}

/** As a new object: what the API gave to the old one it gives again. */
export function remade(past: KubeObject): KubeObject {
  const { name, namespace, labels, annotations, finalizers, ownerReferences } = past.metadata
  const { status: _, ...rest } = past
  return { ...rest, metadata: given({ name, namespace, labels, annotations, finalizers, ownerReferences }) }
}

function given(metadata: Record<string, unknown>): KubeObject['metadata'] {
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined))
}

// --- get --at

export interface GetOptions extends PastOptions {
  readonly at: string
  readonly allNamespaces?: boolean
  readonly selector?: string
  readonly output?: string
}

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly type: string; readonly priority: number }[]
  readonly rows:
    | readonly {
        readonly cells: readonly unknown[]
        readonly object: { readonly metadata: { readonly name: string; readonly namespace?: string } }
      }[]
    | null
}

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'

export async function getAt(resource: string, name: string | undefined, options: GetOptions): Promise<void> {
  await connected(options, async (send) => {
    const [kind = '', own] = resource.split('/')
    const at = await findResource(send, kind)
    const namespace = options.allNamespaces === true ? undefined : (options.namespace ?? 'default')
    const path = pathOf(at, namespace, name ?? own)
    const selector = options.selector === undefined ? undefined : { labelSelector: options.selector }
    const query = { wherryAt: momentOf(options.at, Date.now()), ...selector }
    const { output } = options
    if (output === 'json' || output === 'yaml') {
      const value = await ask<unknown>(send, `GET ${path}`, { query })
      const text = output === 'json' ? JSON.stringify(value, null, 4) : (await import('yaml')).stringify(value)
      print(text.endsWith('\n') ? text : `${text}\n`)
      return
    }
    const table = await ask<Table>(send, `GET ${path}`, { query, accept: TABLE })
    print(tableText(table, { at, output, namespaces: at.namespaced && namespace === undefined }))
  })
}

export function tableText(
  { columnDefinitions, rows }: Table,
  { at, output, namespaces }: { at: ApiResource; output: string | undefined; namespaces: boolean }
): string {
  if (rows === null || rows.length === 0) return 'No resources found\n'
  if (output === 'name') return rows.map(({ object }) => `${nameOf(at, object.metadata.name)}\n`).join('')
  const shown = columnDefinitions
    .map(({ priority }, i) => ({ i, priority }))
    .filter((one) => output === 'wide' || one.priority === 0)
  const cell = (value: unknown) => (value === null || value === undefined ? '<none>' : String(value))
  const head = shown.map(({ i }) => (columnDefinitions[i]?.name ?? '').toUpperCase())
  const body = rows.map(({ cells, object }) => {
    const line = shown.map(({ i }) => cell(cells[i]))
    return namespaces ? [object.metadata.namespace ?? '', ...line] : line
  })
  return columns([namespaces ? ['NAMESPACE', ...head] : head, ...body])
}
