/** Validation of the annotations of pods that Kubernetes itself reads. */
import { forbidden, invalid } from '../field-errors.ts'
import type { Errors } from './checks.ts'
import { checkDescendingPath } from './paths.ts'
import type { PodSpec } from './types.ts'

type Annotations = Readonly<Record<string, string>> | undefined

export const MIRROR_POD = 'kubernetes.io/config.mirror'
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'
const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod'
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/'
const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/'

export function checkPodAnnotations(annotations: Annotations, path: string, scope: { spec: PodSpec; errors: Errors }) {
  if (annotations === undefined) return
  const { spec, errors } = scope
  for (const key in annotations) {
    const value = annotations[key] ?? ''
    if (key === MIRROR_POD && !spec.nodeName)
      errors.push(invalid(`${path}[${key}]`, value, 'must set spec.nodeName if mirror pod annotation is set'))
    else if (key === DELETION_COST && !isInt32(value))
      errors.push(invalid(`${path}[${key}]`, value, 'must be a 32bit integer'))
    else if (key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER)) checkSeccomp(value, `${path}.${key}`, errors)
    else if (key.startsWith(APPARMOR)) checkAppArmor({ key, value, path: `${path}[${key}]` }, scope)
  }
}

function isInt32(text: string): boolean {
  if (!/^(0|[1-9][0-9]*|-[0-9]+)$/.test(text)) return false
  const value = Number(text)
  return value >= -(2 ** 31) && value < 2 ** 31
}

function checkSeccomp(profile: string, path: string, errors: Errors): void {
  if (profile === 'runtime/default' || profile === 'docker/default' || profile === 'unconfined') return
  if (profile.startsWith('localhost/')) checkDescendingPath(profile.slice('localhost/'.length), path, errors)
  else errors.push(invalid(path, profile, 'must be a valid seccomp profile'))
}

function checkAppArmor(
  { key, value, path }: { key: string; value: string; path: string },
  { spec, errors }: { spec: PodSpec; errors: Errors }
): void {
  const name = key.slice(APPARMOR.length)
  const all = [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])]
  if (!all.some((container) => container.name === name)) errors.push(invalid(path, name, 'container not found'))
  if (value !== '' && value !== 'runtime/default' && value !== 'unconfined' && !value.startsWith('localhost/'))
    errors.push(invalid(path, value, `invalid AppArmor profile name: "${value}"`))
}

/** What an update may not do to annotations. */
export function checkAnnotationUpdate(
  annotations: { next: Annotations; old: Annotations },
  path: string,
  errors: Errors
): void {
  const { next = {}, old = {} } = annotations
  for (const key in old) {
    if (next[key] === old[key]) continue
    if (key.startsWith(APPARMOR))
      errors.push(forbidden(`${path}[${key}]`, 'may not remove or update AppArmor annotations'))
    if (key === MIRROR_POD) errors.push(forbidden(`${path}[${key}]`, 'may not remove or update mirror pod annotation'))
  }
  for (const key in next) {
    if (key in old) continue
    if (key.startsWith(APPARMOR)) errors.push(forbidden(`${path}[${key}]`, 'may not add AppArmor annotations'))
    if (key === MIRROR_POD) errors.push(forbidden(`${path}[${key}]`, 'may not add mirror pod annotation'))
  }
}
