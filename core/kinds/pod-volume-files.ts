/** Validation of the files that a volume projects from keys or from the pod's own fields. */
import { invalid, required } from '../field-errors.ts'
import type { Errors } from './checks.ts'
import { checkLocalPath, checkMode } from './paths.ts'
import { checkFieldRef, checkResourceFieldRef, VOLUME_FIELDS } from './pod-refs.ts'
import type { DownwardAPIVolumeFile, KeyToPath } from './types.ts'

export function checkKeyToPath({ key, path, mode }: KeyToPath, at: string, errors: Errors): void {
  if (!key) errors.push(required(`${at}.key`))
  if (!path) errors.push(required(`${at}.path`))
  checkLocalPath(path ?? '', `${at}.path`, errors)
  checkMode(mode, `${at}.mode`, errors)
}

export function checkDownwardFile(file: DownwardAPIVolumeFile, at: string, errors: Errors): void {
  if (!file.path) errors.push(required(`${at}.path`))
  checkLocalPath(file.path ?? '', `${at}.path`, errors)
  if (file.fieldRef !== undefined) {
    checkFieldRef(file.fieldRef, `${at}.fieldRef`, { allowed: VOLUME_FIELDS, errors })
    if (file.resourceFieldRef !== undefined)
      errors.push(invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
  } else if (file.resourceFieldRef !== undefined)
    checkResourceFieldRef(file.resourceFieldRef, `${at}.resourceFieldRef`, { named: true, errors })
  else errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'))
  checkMode(file.mode, `${at}.mode`, errors)
}
