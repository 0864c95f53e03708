/** Validation of volume mounts and block devices of containers. */
import { forbidden, invalid, notFound, notSupported, required } from '../field-errors.ts'
import { checkDescendingPath } from './paths.ts'
import type { ContainerScope } from './pod-containers.ts'
import type { Container, VolumeMount } from './types.ts'

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None']
const RECURSIVE_MODES = ['Disabled', 'Enabled', 'IfPossible']

export function checkMounts(container: Container, path: string, { errors, volumes }: ContainerScope): void {
  const { volumeMounts, volumeDevices = [] } = container
  if (volumeMounts === undefined) return
  const taken = new Set<string>()
  const devices = new Set(volumeDevices.map(({ name }) => name))
  const devicePaths = new Set(volumeDevices.map(({ devicePath }) => devicePath))
  const wrong = (field: string, value: string, detail: string) => void errors.push(invalid(field, value, detail))
  volumeMounts.forEach((mount, i) => {
    const at = `${path}[${i}]`
    const { name = '', mountPath = '', subPath, subPathExpr } = mount
    if (name === '') errors.push(required(`${at}.name`))
    if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name))
    if (mountPath === '') errors.push(required(`${at}.mountPath`))
    if (taken.has(mountPath)) wrong(`${at}.mountPath`, mountPath, 'must be unique')
    taken.add(mountPath)
    if (devices.has(name)) wrong(`${at}.name`, name, 'must not already exist in volumeDevices')
    if (devicePaths.has(mountPath))
      wrong(`${at}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices')
    if (subPath) checkDescendingPath(subPath, `${path}.subPath`, errors)
    if (subPathExpr) {
      if (subPath) wrong(`${at}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive')
      checkDescendingPath(subPathExpr, `${path}.subPathExpr`, errors)
    }
    checkPropagation(mount, path, { container, errors })
  })
}

function checkPropagation(
  { mountPropagation, recursiveReadOnly, readOnly }: VolumeMount,
  path: string,
  { container, errors }: { container: Container; errors: ContainerScope['errors'] }
): void {
  if (mountPropagation !== undefined) {
    const at = `${path}.mountPropagation`
    if (!PROPAGATIONS.includes(mountPropagation)) errors.push(notSupported(at, mountPropagation, PROPAGATIONS))
    if (mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true)
      errors.push(forbidden(at, 'Bidirectional mount propagation is available only to privileged containers'))
  }
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return
  const at = `${path}.recursiveReadOnly`
  if (!RECURSIVE_MODES.includes(recursiveReadOnly)) {
    errors.push(notSupported(at, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible']))
    return
  }
  if (readOnly !== true) errors.push(forbidden(at, 'may only be specified when readOnly is true'))
  if (mountPropagation !== undefined && mountPropagation !== 'None')
    errors.push(forbidden(at, 'may only be specified when mountPropagation is None or not specified'))
}

export function checkDevices(container: Container, path: string, { errors, volumes }: ContainerScope): void {
  const { volumeDevices, volumeMounts = [] } = container
  if (volumeDevices === undefined) return
  const names = new Set<string>()
  const paths = new Set<string>()
  const mounts = new Set(volumeMounts.map((mount) => mount.name))
  const mountPaths = new Set(volumeMounts.map(({ mountPath }) => mountPath))
  const wrong = (field: string, value: string, detail: string) => void errors.push(invalid(field, value, detail))
  volumeDevices.forEach(({ name = '', devicePath = '' }, i) => {
    const at = `${path}[${i}]`
    const volume = volumes.get(name)
    if (name === '') errors.push(required(`${at}.name`))
    if (names.has(name)) wrong(`${at}.name`, name, 'must be unique')
    if (volume === undefined) errors.push(notFound(`${at}.name`, name))
    else if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined)
      wrong(`${at}.name`, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode')
    if (devicePath === '') errors.push(required(`${at}.devicePath`))
    if (paths.has(devicePath)) wrong(`${at}.devicePath`, devicePath, 'must be unique')
    if (devicePath.split('/').includes('..')) wrong(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')")
    else paths.add(devicePath)
    if (mounts.has(name)) wrong(`${at}.name`, name, 'must not already exist in volumeMounts')
    if (mountPaths.has(devicePath))
      wrong(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts')
    if (name !== '') names.add(name)
  })
}
