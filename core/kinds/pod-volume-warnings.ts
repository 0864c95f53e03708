/** Files of one volume that would be written over each other. */
import { goQuote } from '../go-text.ts'
import type { DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection } from './types.ts'

/** A path, and which source of a projected volume brings it. */
interface File {
  readonly path: string
  readonly source: string
}

export function virtualPathWarnings(volumes: readonly Volume[]): string[] {
  return volumes.flatMap(({ name, configMap, secret, downwardAPI, projected }) => {
    const warn = (what: string, files: readonly File[]) =>
      overlaps(files).map((overlap) => `volume ${goQuote(name)} (${what}): overlapping paths: ${overlap}`)
    return [
      ...warn(`ConfigMap ${goQuote(configMap?.name ?? '')}`, filesOf(configMap?.items)),
      ...warn(`Secret ${goQuote(secret?.secretName ?? '')}`, filesOf(secret?.items)),
      ...warn('DownwardAPI', filesOf(downwardAPI?.items)),
      ...(projected?.sources ?? [])
        .filter((source) => Object.keys(source).length === 0)
        .map(() => `volume ${goQuote(name)} (Projected) has no sources provided`),
      ...warn('Projected', (projected?.sources ?? []).flatMap(projectedFiles))
    ]
  })
}

function filesOf(items: readonly (KeyToPath | DownwardAPIVolumeFile)[] | undefined, source = ''): File[] {
  return (items ?? []).map(({ path }) => ({ path, source }))
}

function projectedFiles(source: VolumeProjection): File[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle } = source
  if (configMap?.items !== undefined) return filesOf(configMap.items, `ConfigMap ${goQuote(configMap.name ?? '')}`)
  if (secret?.items !== undefined) return filesOf(secret.items, `Secret ${goQuote(secret.name ?? '')}`)
  if (downwardAPI?.items !== undefined) return filesOf(downwardAPI.items, 'DownwardAPI')
  if (serviceAccountToken !== undefined) return [{ path: serviceAccountToken.path, source: 'ServiceAccountToken' }]
  if (clusterTrustBundle === undefined) return []
  const { path, name, signerName = '' } = clusterTrustBundle
  return [{ path, source: `ClusterTrustBundle ${goQuote(name ?? signerName)}` }]
}

/** One text for each file and each earlier one that is the same, or above or below it. */
function overlaps(files: readonly File[]): string[] {
  const trimmed = files.map(({ path, source }) => ({ path: path.replace(/\/+$/, ''), source }))
  return trimmed.flatMap((file, i) =>
    trimmed
      .slice(0, i)
      .filter((earlier) => file.path !== '' && earlier.path !== '' && isSameOrWithin(file.path, earlier.path))
      .map((earlier) => `${printed(file)} with ${printed(earlier)}`)
  )
}

function isSameOrWithin(a: string, b: string): boolean {
  return `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`)
}

function printed({ path, source }: File): string {
  return source === '' ? goQuote(path) : `${goQuote(path)} (${source})`
}
