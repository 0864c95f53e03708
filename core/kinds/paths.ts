/** Checks of file paths inside volumes and containers. */
import { invalid } from '../field-errors.ts'
import type { Errors } from './checks.ts'

export function checkNoBacksteps(path: string, field: string, errors: Errors): void {
  if (path.includes('..') && path.split('/').includes('..')) errors.push(invalid(field, path, "must not contain '..'"))
}

/** Relative, and never above its root. */
export function checkDescendingPath(path: string, field: string, errors: Errors): void {
  if (path.startsWith('/')) errors.push(invalid(field, path, 'must be a relative path'))
  checkNoBacksteps(path, field, errors)
}

/** As checkDescendingPath; and not a name that the kubelet keeps for its own links. */
export function checkLocalPath(path: string, field: string, errors: Errors): void {
  checkDescendingPath(path, field, errors)
  if (path.startsWith('..') && !path.startsWith('../')) errors.push(invalid(field, path, "must not start with '..'"))
}

/** File permissions, 0 to 0777. */
export function checkMode(mode: number | undefined, field: string, errors: Errors): void {
  if (mode !== undefined && (mode > 0o777 || mode < 0))
    errors.push(invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive'))
}
