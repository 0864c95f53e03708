/** /api and /apis: which groups, versions and resources are served, plain and aggregated. */
import { createHash } from 'node:crypto'
import type { ApiRequest, ApiResponse } from '../../core/http.ts'
import { apiVersionOf, type Kind, type Subresource } from '../../core/kinds/kind.ts'
import type { KindTable } from '../../core/kinds/table.ts'
import { payloadOf, valueAnswer } from './answers.ts'
import { noSuchResource } from './failures.ts'
import { formOf } from './negotiate.ts'

export class Discovery {
  readonly kinds: KindTable
  private readonly address: string
  private aggregates = new Map<string, { readonly value: object; readonly etag: string }>()

  constructor(kinds: KindTable, address = '127.0.0.1:6443') {
    this.kinds = kinds
    this.address = address
  }

  answer(request: ApiRequest, path: string): ApiResponse | undefined {
    if (path === '/') return valueAnswer(200, { paths: this.paths() })
    const [, prefix, group, version, ...rest] = path.split('/')
    if ((prefix !== 'api' && prefix !== 'apis') || rest.length > 0) return undefined
    const whole = group === undefined ? this.aggregated(request, prefix === 'api' ? '' : prefix) : undefined
    if (whole !== undefined) return whole
    // Throws where none of the forms that the client takes is left.
    formOf(request.headers.accept, { streams: false })
    if (prefix === 'api') {
      if (group === undefined) return valueAnswer(200, this.legacyVersions())
      return version === undefined ? this.resources('', group) : undefined
    }
    if (group === undefined) return valueAnswer(200, this.groupList())
    return version === undefined ? this.group(group) : this.resources(group, version)
  }

  /** Paths below a group that is served are the API's, also where they lead nowhere. */
  hasGroup(group: string): boolean {
    return this.versionsOf(group).length > 0
  }

  private legacyVersions() {
    return {
      kind: 'APIVersions',
      versions: this.versionsOf(''),
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: this.address }]
    }
  }

  /** All but the core group. */
  private groups(): string[] {
    return this.kinds.groups.map(({ name }) => name).filter((name) => name !== '')
  }

  /** The preferred one first. */
  private versionsOf(group: string): readonly string[] {
    return this.kinds.groups.find(({ name }) => name === group)?.versions ?? []
  }

  private groupEntry(group: string) {
    const versions = this.versionsOf(group).map((version) => ({ groupVersion: `${group}/${version}`, version }))
    return { name: group, versions, preferredVersion: versions[0] }
  }

  private groupList() {
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: this.groups().map((group) => this.groupEntry(group)) }
  }

  private group(group: string): ApiResponse | undefined {
    if (group === '' || this.versionsOf(group).length === 0) return undefined
    return valueAnswer(200, { kind: 'APIGroup', apiVersion: 'v1', ...this.groupEntry(group) })
  }

  private kindsOf(group: string, version: string): Kind[] {
    return this.kinds.ofVersion(apiVersionOf({ group, version })).filter((kind) => kind.hidden !== true)
  }

  /** The version and group in which the store holds the kind's objects. */
  private storedAs(kind: Kind): Pick<Kind, 'group' | 'version' | 'kind'> {
    if (kind.custom !== undefined) return { ...kind, version: kind.custom.storageVersion }
    return kind.convert === undefined ? kind : (this.kinds.findByStorage(kind.storage) ?? kind)
  }

  private resources(group: string, version: string): ApiResponse | undefined {
    const kinds = this.kindsOf(group, version)
    if (kinds.length === 0) {
      if (this.kinds.all.some((kind) => kind.group === group && kind.custom === undefined)) throw noSuchResource()
      return undefined
    }
    return valueAnswer(200, {
      kind: 'APIResourceList',
      ...(group === '' ? {} : { apiVersion: 'v1' }),
      groupVersion: apiVersionOf({ group, version }),
      resources: kinds.flatMap((kind) => [
        plainResource(kind, this.storedAs(kind)),
        ...kind.subresources.map((one) => plainSub(kind, one))
      ])
    })
  }

  /** undefined: the client does not want it aggregated. */
  private aggregated(request: ApiRequest, root: '' | 'apis'): ApiResponse | undefined {
    const type = aggregatedType(request.headers.accept)
    if (type === undefined) return undefined
    const id = `${root} ${type}`
    let known = this.aggregates.get(id)
    if (known === undefined) {
      const value = this.aggregate(root, type)
      const etag = createHash('sha256').update(JSON.stringify(value)).digest('hex').toUpperCase()
      known = { value, etag: `"${etag}"` }
      this.aggregates.set(id, known)
    }
    const headers = {
      'content-type': `application/json;g=apidiscovery.k8s.io;v=${type};as=APIGroupDiscoveryList`,
      etag: known.etag,
      vary: 'Accept'
    }
    if (request.headers['if-none-match'] === known.etag) return { status: 304, headers, body: { text: '' } }
    return { status: 200, headers, body: { payload: payloadOf(known.value) } }
  }

  private aggregate(root: '' | 'apis', version: string): object {
    const groups = root === '' ? [''] : this.groups()
    return {
      kind: 'APIGroupDiscoveryList',
      apiVersion: `apidiscovery.k8s.io/${version}`,
      metadata: {},
      items: groups.map((group) => ({
        metadata: group === '' ? {} : { name: group },
        versions: this.versionsOf(group).map((one) => ({
          version: one,
          resources: this.kindsOf(group, one).map(aggregatedResource),
          freshness: 'Current'
        }))
      }))
    }
  }

  private paths(): string[] {
    const versions = this.kinds.groups.flatMap(({ name, versions: of }) =>
      of.map((version) => (name === '' ? `/api/${version}` : `/apis/${name}/${version}`))
    )
    const groups = this.groups().map((group) => `/apis/${group}`)
    const rest = [
      '/api',
      '/apis',
      '/healthz',
      '/livez',
      '/metrics',
      '/openapi/v2',
      '/openapi/v3',
      '/readyz',
      '/version'
    ]
    return [...new Set([...versions, ...groups, ...rest])].sort()
  }
}

function plainResource(kind: Kind, stored: Pick<Kind, 'group' | 'version' | 'kind'>) {
  return {
    name: kind.resource,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: verbsOf(kind),
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(isStored(kind) ? { storageVersionHash: storageVersionHash(stored) } : {})
  }
}

/** Of a definition that is being deleted: nothing new comes. */
const LAST_VERBS = ['delete', 'deletecollection', 'get', 'list', 'watch']

function verbsOf({ custom, verbs }: Kind): readonly string[] {
  return custom?.terminating === true ? LAST_VERBS : verbs
}

function isStored({ verbs }: Kind): boolean {
  return verbs.includes('list') && verbs.includes('create')
}

/** k8s.io/apiserver/pkg/endpoints/discovery.StorageVersionHash. */
function storageVersionHash({ group, version, kind }: Pick<Kind, 'group' | 'version' | 'kind'>): string {
  return createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64')
}

function plainSub(kind: Kind, { name, kind: answer, group, version, verbs }: Subresource) {
  return {
    name: `${kind.resource}/${name}`,
    singularName: '',
    namespaced: kind.namespaced,
    ...(group === undefined ? {} : { group }),
    ...(version === undefined ? {} : { version }),
    kind: answer,
    verbs
  }
}

function aggregatedResource(kind: Kind) {
  return {
    resource: kind.resource,
    // Empty means the resource's own.
    responseKind:
      kind.custom === undefined
        ? { group: '', version: '', kind: kind.kind }
        : { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: verbsOf(kind),
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(kind.subresources.length === 0
      ? {}
      : {
          subresources: kind.subresources.map((one) => ({
            subresource: one.name,
            responseKind: {
              group: one.group ?? own(kind, 'group'),
              version: one.version ?? own(kind, 'version'),
              kind: one.kind
            },
            verbs: one.verbs
          }))
        })
  }
}

/** Subresources of custom resources name their group, though it is the resource's own. */
function own(kind: Kind, field: 'group' | 'version'): string {
  return kind.custom === undefined ? '' : kind[field]
}

/** v2beta1 is no longer served: who takes nothing else gets the plain documents. */
function aggregatedType(accept: string | undefined): 'v2' | undefined {
  for (const clause of accept?.split(',') ?? []) {
    const parts = clause.split(';').map((part) => part.trim())
    if (parts[0] !== 'application/json') continue
    if (parts.length === 1) return undefined
    if (!parts.includes('as=APIGroupDiscoveryList') || !parts.includes('g=apidiscovery.k8s.io')) continue
    if (parts.includes('v=v2')) return 'v2'
  }
  return undefined
}
