/** The objects that a binding hands to its policy's expressions. */
import type { Kind } from '../../../../core/kinds/kind.ts'
import type { ParamKind, ParamRef } from '../../../../core/kinds/types.ts'
import type { KubeObject } from '../../../../core/object.ts'
import { labelSelectorMatcher } from '../../../../core/selector.ts'
import type { StoreApi } from '../../../../store/store.ts'

/** What is wrong with a policy or binding; its failure policy says what that means for the request. */
export class ConfigurationError extends Error {}

export interface ParamSource {
  readonly store: StoreApi
  readonly kinds: () => readonly Kind[]
}

/** Throws ConfigurationError. */
export function paramKindOf(given: ParamKind | undefined, { kinds }: ParamSource): Kind | undefined {
  if (given === undefined) return undefined
  const { apiVersion = '', kind = '' } = given
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion]
  const found = kinds().find((one) => one.group === group && one.version === version && one.kind === kind)
  if (found !== undefined) return found
  const shown = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`
  throw new ConfigurationError(`failed to find resource referenced by paramKind: '${shown}, Kind=${kind}'`)
}

/** One evaluation for each; null where the policy is to run without. Throws ConfigurationError. */
export async function paramsOf(
  ref: ParamRef | undefined,
  { kind, namespace, source }: { kind: Kind | undefined; namespace: string; source: ParamSource }
): Promise<readonly (KubeObject | null)[]> {
  if (kind === undefined || ref === undefined) return [null]
  const { name = '', selector, parameterNotFoundAction } = ref
  if (!kind.namespaced && (ref.namespace ?? '') !== '')
    throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`')
  const within = kind.namespaced ? ref.namespace || namespace : ''
  if (kind.namespaced && within === '')
    throw new ConfigurationError(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources'
    )
  if (name !== '' && selector !== undefined)
    throw new ConfigurationError('paramRef.name and paramRef.selector are mutually exclusive')
  if (name === '' && selector === undefined) throw new ConfigurationError('one of name or selector must be provided')
  const prefix = kind.namespaced ? `${within}/` : ''
  const found = await lookUp(source.store, kind, { prefix, name, selector })
  if (found.length === 0 && parameterNotFoundAction === 'Deny')
    throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction')
  return found
}

async function lookUp(
  store: StoreApi,
  kind: Kind,
  { prefix, name, selector }: { prefix: string; name: string; selector: ParamRef['selector'] }
): Promise<readonly KubeObject[]> {
  const shown = (object: KubeObject) => {
    const { convert } = kind
    const value = convert === undefined ? object : convert.fromStorage(object)
    return { ...value, kind: kind.kind, apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}` }
  }
  if (name !== '') {
    const entry = await store.get(kind.storage, `${prefix}${name}`)
    return entry === undefined ? [] : [shown(entry.value)]
  }
  const matcher = labelSelectorMatcher(selector)
  const { entries } = await store.list(kind.storage, prefix === '' ? {} : { prefix })
  return entries.filter(({ value }) => matcher.matches(value.metadata.labels)).map(({ value }) => shown(value))
}
