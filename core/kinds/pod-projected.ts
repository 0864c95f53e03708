/** Validation of projected volumes: several sources in one directory. */
import { forbidden, invalid, required } from '../field-errors.ts'
import { isDNS1123Subdomain, isPathSegmentName } from '../names.ts'
import { checkLabelSelector, complaints, type Errors, printedSelector } from './checks.ts'
import { checkLocalPath, checkMode } from './paths.ts'
import { checkDownwardFile, checkKeyToPath } from './pod-volume-files.ts'
import type { SourceCheck } from './pod-volumes.ts'
import type { ClusterTrustBundleProjection, KeyToPath, ProjectedVolumeSource, VolumeProjection } from './types.ts'

interface Projection {
  readonly source: VolumeProjection
  /** Of the whole volume: some errors are reported there. */
  readonly volume: string
  readonly taken: Set<string>
  readonly errors: Errors
}

export const projectedVolume: SourceCheck<ProjectedVolumeSource> = ({ defaultMode, sources }, path, { errors }) => {
  checkMode(defaultMode, `${path}.defaultMode`, errors)
  const taken = new Set<string>()
  sources?.forEach((source, i) => {
    const at = `${path}.sources[${i}]`
    const projection = { source, volume: path, taken, errors }
    if (source.secret !== undefined) checkKeys(source.secret, `${at}.secret`, projection)
    if (source.configMap !== undefined) checkKeys(source.configMap, `${at}.configMap`, projection)
    for (const file of source.downwardAPI?.items ?? []) {
      checkDownwardFile(file, `${at}.downwardAPI`, errors)
      if (file.path) take(file.path, file.path, projection)
    }
    checkToken(at, projection)
    if (source.clusterTrustBundle !== undefined)
      checkTrustBundle(source.clusterTrustBundle, `${at}.clusterTrustBundle`, projection)
    if (Object.values(source).filter((value) => value !== undefined).length > 1)
      errors.push(forbidden(at, 'may not specify more than 1 volume type per source'))
  })
}

function take(path: string, shown: string, { taken, volume, errors }: Projection): void {
  if (taken.has(path)) errors.push(invalid(volume, shown, 'conflicting duplicate paths'))
  taken.add(path)
}

function checkKeys(
  { name, items }: { name?: string | undefined; items?: KeyToPath[] | undefined },
  at: string,
  projection: Projection
): void {
  if (!name) projection.errors.push(required(`${at}.name`))
  items?.forEach((item, i) => {
    checkKeyToPath(item, `${at}.items[${i}]`, projection.errors)
    if (item.path) take(item.path, name ?? '', projection)
  })
}

const TEN_MINUTES = 600

function checkToken(at: string, { source, volume, errors }: Projection): void {
  const token = source.serviceAccountToken
  if (token === undefined) return
  const seconds = token.expirationSeconds ?? 0
  const field = `${at}.serviceAccountToken.expirationSeconds`
  if (seconds < TEN_MINUTES) errors.push(invalid(field, seconds, 'may not specify a duration less than 10 minutes'))
  if (seconds > 2 ** 32) errors.push(invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds'))
  if (!token.path) errors.push(required(`${volume}.path`))
  else checkLocalPath(token.path, `${volume}.path`, errors)
}

function checkTrustBundle(bundle: ClusterTrustBundleProjection, at: string, projection: Projection): void {
  const { errors } = projection
  const { name, signerName, labelSelector } = bundle
  if (name !== undefined && signerName !== undefined)
    errors.push(invalid(at, bundle, 'only one of name and signerName may be used'))
  else if (name !== undefined) {
    if (name === '') errors.push(required(`${at}.name`, 'must be a valid object name'))
    for (const message of isPathSegmentName(name))
      errors.push(invalid(`${at}.name`, name, `not a valid clustertrustbundlename: ${message}`))
    if (labelSelector !== undefined)
      errors.push(
        invalid(
          `${at}.labelSelector`,
          printedSelector(labelSelector),
          'labelSelector must be unset if name is specified'
        )
      )
  } else if (signerName !== undefined) {
    if (signerName === '') errors.push(required(`${at}.signerName`, 'must be a valid signer name'))
    const [domain = ''] = signerName.split('/', 1)
    errors.push(...complaints(`${at}.signerName`, signerName, isDNS1123Subdomain(domain)))
    checkLabelSelector(labelSelector, `${at}.labelSelector`, errors)
  } else errors.push(required(at, 'either name or signerName must be specified'))
  if (!bundle.path) errors.push(required(`${at}.path`))
  checkLocalPath(bundle.path ?? '', `${at}.path`, errors)
  take(bundle.path ?? '', bundle.path ?? '', projection)
}
