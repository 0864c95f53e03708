/** The options of a query string, checked as k8s.io/apimachinery/pkg/apis/meta/v1/validation does. */
import type { FieldError } from '../../core/errors.ts'
import { forbidden, invalid, invalidError, notSupported, required, tooLong } from '../../core/field-errors.ts'
import { goQuote } from '../../core/go-text.ts'
import { BareError, badRequest } from './failures.ts'
import { truthy } from './route.ts'

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

export interface WriteOptions {
  readonly dryRun: boolean
  readonly fieldValidation: FieldValidation
  /** Of an apply: take over what others own. */
  readonly force: boolean
}

const GROUP = 'meta.k8s.io'
const PLAIN_WRITE: WriteOptions = { dryRun: false, fieldValidation: 'Warn', force: false }

export function invalidOptions(kind: string, errors: readonly FieldError[]) {
  return invalidError({ group: GROUP, kind }, '', errors)
}

/** `kind`: CreateOptions, UpdateOptions or PatchOptions, which the refusal names. An apply must say for whom. */
export function writeOptions(query: URLSearchParams, kind: string, isApply = false): WriteOptions {
  if (query.size === 0 && !isApply) return PLAIN_WRITE
  const errors: FieldError[] = []
  const dryRun = query.getAll('dryRun')
  checkDryRun(dryRun, errors)
  const manager = query.get('fieldManager') ?? ''
  if (Buffer.byteLength(manager) > 128) errors.push(tooLong('fieldManager', 128))
  const unprintable = [...manager].findIndex((character) => !/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character))
  if (unprintable >= 0) {
    const code = ([...manager][unprintable]?.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
    errors.push(invalid('fieldManager', manager, `invalid character U+${code} (at position ${unprintable})`))
  }
  if (isApply && manager === '') errors.push(required('fieldManager', 'is required for apply patch'))
  if (kind === 'PatchOptions' && !isApply && query.has('force')) {
    errors.push(forbidden('force', 'may not be specified for non-apply patch'))
  }
  const validation = query.get('fieldValidation') ?? ''
  if (!['', 'Ignore', 'Warn', 'Strict'].includes(validation)) {
    errors.push(notSupported('fieldValidation', validation, ['', 'Ignore', 'Strict', 'Warn']))
  }
  if (errors.length > 0) throw invalidOptions(kind, errors)
  const force = isApply && truthy(query.get('force'))
  return { dryRun: dryRun.length > 0, fieldValidation: (validation || 'Warn') as FieldValidation, force }
}

function checkDryRun(dryRun: readonly string[], errors: FieldError[]): void {
  if (dryRun.some((value) => value !== 'All')) errors.push(notSupported('dryRun', dryRun, ['All']))
}

/** Of DeleteOptions, from the body and, as long as there is none, from the query. */
export interface DeleteSettings {
  readonly dryRun: boolean
  readonly gracePeriodSeconds: number | undefined
  readonly orphanDependents: boolean | undefined
  readonly propagationPolicy: 'Orphan' | 'Background' | 'Foreground' | undefined
  readonly uid: string | undefined
  readonly resourceVersion: string | undefined
  /** One of many that are deleted together. */
  readonly collection?: boolean
}

const POLICIES = ['Foreground', 'Background', 'Orphan']

/** `body`: a DeleteOptions object whose types were checked; undefined where none came. */
export function deleteSettings(body: Record<string, unknown> | undefined, query: URLSearchParams): DeleteSettings {
  const source = body ?? fromQuery(query)
  const errors: FieldError[] = []
  const dryRun = (source.dryRun as string[] | undefined) ?? []
  const policy = source.propagationPolicy as string | undefined
  const orphan = source.orphanDependents as boolean | undefined
  if (policy !== undefined && orphan !== undefined) {
    errors.push(invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'))
  }
  if (policy !== undefined && !POLICIES.includes(policy)) {
    errors.push(notSupported('propagationPolicy', policy, [...POLICIES, 'nil']))
  }
  checkDryRun(dryRun, errors)
  if (errors.length > 0) throw invalidOptions('DeleteOptions', errors)
  const preconditions = (source.preconditions ?? {}) as { uid?: string; resourceVersion?: string }
  return {
    dryRun: dryRun.length > 0,
    gracePeriodSeconds: source.gracePeriodSeconds as number | undefined,
    orphanDependents: orphan,
    propagationPolicy: policy as DeleteSettings['propagationPolicy'],
    uid: preconditions.uid,
    resourceVersion: preconditions.resourceVersion
  }
}

function fromQuery(query: URLSearchParams): Record<string, unknown> {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '')
  return {
    ...(dryRun.length > 0 ? { dryRun } : {}),
    ...(query.has('gracePeriodSeconds') ? { gracePeriodSeconds: integer(query, 'gracePeriodSeconds') } : {}),
    ...(query.has('orphanDependents') ? { orphanDependents: truthy(query.get('orphanDependents')) } : {}),
    ...(query.get('propagationPolicy') ? { propagationPolicy: query.get('propagationPolicy') } : {})
  }
}

/** A whole number of a query; undefined where absent or empty. Throws BadRequest. */
export function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^[+-]?[0-9]{1,18}$/.test(text)) {
    throw badRequest(
      `strconv.ParseInt: parsing ${goQuote(text)}: ${/^[+-]?[0-9]+$/.test(text) ? 'value out of range' : 'invalid syntax'}`
    )
  }
  return Number(text)
}

export interface ListSettings {
  readonly labelSelector: string | undefined
  readonly fieldSelector: string | undefined
  readonly limit: number | undefined
  readonly continue: string | undefined
  /** undefined: not set, '0' is 0. */
  readonly resourceVersion: number | undefined
  readonly match: 'Exact' | 'NotOlderThan' | undefined
  readonly timeoutSeconds: number | undefined
  readonly bookmarks: boolean
  /** Wherry's own, of a watch: it ends, with a bookmark, when all that had happened when it was asked has been told. */
  readonly untilNow: boolean
  /** undefined: not asked. */
  readonly initialEvents: boolean | undefined
  /** Wherry's own: name and value of a declared index. */
  readonly index: { readonly name: string; readonly value: string } | undefined
}

export function listSettings(query: URLSearchParams, watch: boolean): ListSettings {
  const timeoutSeconds = integer(query, 'timeoutSeconds')
  const limit = integer(query, 'limit')
  checkMatch(query, watch)
  const token = query.get('continue') || undefined
  const asked = query.get('resourceVersion')
  if (token !== undefined && asked && asked !== '0' && !watch) {
    throw badRequest('specifying resource version is not allowed when using continue')
  }
  const index = query.get('wherryIndex')
  const at = index?.indexOf('=') ?? -1
  return {
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: query.get('fieldSelector') ?? undefined,
    limit: limit === undefined || limit <= 0 ? undefined : limit,
    continue: token,
    resourceVersion: version(asked, watch ? 'watch' : 'list'),
    match: (query.get('resourceVersionMatch') || undefined) as ListSettings['match'],
    timeoutSeconds,
    bookmarks: truthy(query.get('allowWatchBookmarks')),
    untilNow: query.get('wherryUntil') === 'now',
    initialEvents: query.has('sendInitialEvents') ? truthy(query.get('sendInitialEvents')) : undefined,
    index: index === null || at < 0 ? undefined : { name: index.slice(0, at), value: index.slice(at + 1) }
  }
}

/** Throws for what is no version: BadRequest of a list; of a get or a watch what Kubernetes' storage says. */
export function version(text: string | null, of: 'list' | 'get' | 'watch'): number | undefined {
  if (text === null || text === '') return undefined
  if (/^[0-9]{1,15}$/.test(text)) return Number(text)
  const why = /^[0-9]+$/.test(text) ? 'value out of range' : 'invalid syntax'
  const wrong = `resourceVersion: Invalid value: ${goQuote(text)}: strconv.ParseUint: parsing ${goQuote(text)}: ${why}`
  throw of === 'list' ? badRequest(`invalid resource version: ${wrong}`) : new BareError(wrong)
}

function checkMatch(query: URLSearchParams, watch: boolean): void {
  const match = query.get('resourceVersionMatch') ?? ''
  const initial = query.has('sendInitialEvents')
  if (match === '' && !initial) return
  const errors = watch ? watchMatchErrors(query, match, initial) : listMatchErrors(query, match, initial)
  if (errors.length > 0) throw invalidOptions('ListOptions', errors)
}

const MATCH = 'resourceVersionMatch'

function listMatchErrors(query: URLSearchParams, match: string, initial: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (initial) errors.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  if (match === '') return errors
  const asked = query.get('resourceVersion') ?? ''
  if (asked === '') errors.push(forbidden(MATCH, `${MATCH} is forbidden unless resourceVersion is provided`))
  if (query.get('continue')) errors.push(forbidden(MATCH, `${MATCH} is forbidden when continue is provided`))
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    errors.push(notSupported(MATCH, match, ['Exact', 'NotOlderThan', '']))
  }
  if (match === 'Exact' && asked === '0') {
    errors.push(forbidden(MATCH, `${MATCH} "exact" is forbidden for resourceVersion "0"`))
  }
  return errors
}

function watchMatchErrors(query: URLSearchParams, match: string, initial: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (initial && match !== 'NotOlderThan') {
    errors.push(forbidden(MATCH, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'))
  }
  if (match === '') return errors
  if (!initial) errors.push(forbidden(MATCH, `${MATCH} is forbidden for watch unless sendInitialEvents is provided`))
  if (match !== 'NotOlderThan') errors.push(notSupported(MATCH, match, ['NotOlderThan']))
  if (query.get('continue')) errors.push(forbidden(MATCH, `${MATCH} is forbidden when continue is provided`))
  return errors
}
