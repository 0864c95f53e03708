/** Gives a pod its service account and the volume with its token. */

import { goQuote } from '../../../core/go-text.ts'
import type { Container, Pod, PodSpec, ServiceAccount } from '../../../core/kinds/types.ts'
import { isPathSegmentName } from '../../../core/names.ts'
import { sleep } from '../../../core/ports.ts'
import type { Entry } from '../../../store/store.ts'
import { referencesOf } from '../pod-references.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { refuse } from './refuse.ts'

const DEFAULT_ACCOUNT = 'default'
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror'
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const VOLUME_PREFIX = 'kube-api-access-'
/** An hour, and seven seconds by which the API server recognises a token that it may extend. */
const TOKEN_SECONDS = 3607
/** How long a pod in a new namespace waits for the default account, which a controller makes. */
const DEFAULT_ACCOUNT_WAIT_MS = 1000

export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  resources: ['pods'],
  async mutate(request) {
    const { kind, operation, subresource } = request
    if (operation !== 'CREATE' || kind.group !== '' || kind.resource !== 'pods' || subresource !== undefined) return
    const pod = request.object as unknown as Pod
    if (pod.spec === undefined) return
    if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) return checkMirror(request, pod)
    await admit(request, pod.spec)
  }
}

/** A mirror pod shows what a node runs by itself; it may not draw anything from the API. */
function checkMirror(request: AdmissionRequest, pod: Pod): void {
  const references = referencesOf(pod)
  if ((pod.spec?.serviceAccountName ?? '') !== '')
    throw refuse(request, 'a mirror pod may not reference service accounts')
  if (references.secrets.size > 0) throw refuse(request, 'a mirror pod may not reference secrets')
  if (references.configMaps.size > 0) throw refuse(request, 'a mirror pod may not reference configmaps')
  if (references.claims.size > 0) throw refuse(request, 'a mirror pod may not reference persistentvolumeclaims')
  if (references.tokens) throw refuse(request, 'a mirror pod may not use ServiceAccountToken volume projections')
}

async function admit(request: AdmissionRequest, spec: PodSpec): Promise<void> {
  const name = spec.serviceAccountName || spec.serviceAccount || DEFAULT_ACCOUNT
  spec.serviceAccountName = name
  spec.serviceAccount = name
  const { namespace = '' } = request
  const wrong = isPathSegmentName(name)
  if (wrong.length > 0)
    throw refuse(
      request,
      `error looking up service account ${namespace}/${name}: invalid resource name ${goQuote(name)}: [${wrong.join(' ')}]`
    )
  const entry = await findAccount(request, `${namespace}/${name}`)
  if (entry === undefined)
    throw refuse(request, `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`)
  const account = entry.value as unknown as ServiceAccount
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)
    mountToken(spec, request.ports.ids.suffix(5))
  if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0)
    spec.imagePullSecrets = structuredClone(account.imagePullSecrets)
}

async function findAccount(request: AdmissionRequest, key: string): Promise<Entry | undefined> {
  const { store, ports } = request
  const found = await store.get('serviceaccounts', key)
  if (found !== undefined || !key.endsWith(`/${DEFAULT_ACCOUNT}`)) return found
  const appeared = new AbortController()
  const unsubscribe = store.onChange((changes) => {
    if (changes.some((change) => change.resource === 'serviceaccounts' && change.key === key)) appeared.abort()
  })
  try {
    // Once more, because it may have come between the first look and the subscription.
    const entry = await store.get('serviceaccounts', key)
    if (entry !== undefined) return entry
    await sleep(ports.clock, DEFAULT_ACCOUNT_WAIT_MS, appeared.signal)
    return await store.get('serviceaccounts', key)
  } finally {
    unsubscribe()
  }
}

function mountToken(spec: PodSpec, suffix: string): void {
  const volumes = spec.volumes ?? []
  const present = volumes.find((volume) => volume.projected !== undefined && volume.name.startsWith(VOLUME_PREFIX))
  const name = present?.name ?? `${VOLUME_PREFIX}${suffix}`
  let needed = false
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])])
    if (mount(container, name)) needed = true
  if (!needed || present !== undefined) return
  spec.volumes = [
    ...volumes,
    {
      name,
      projected: {
        defaultMode: 0o644,
        sources: [
          { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          {
            downwardAPI: {
              items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }]
            }
          }
        ]
      }
    }
  ]
}

/** Whether it now uses the volume; a container that mounts something of its own there keeps that. */
function mount(container: Container, volume: string): boolean {
  const mounts = container.volumeMounts ?? []
  if (mounts.some((entry) => entry.mountPath === MOUNT_PATH)) return false
  container.volumeMounts = [...mounts, { name: volume, readOnly: true, mountPath: MOUNT_PATH }]
  return true
}
