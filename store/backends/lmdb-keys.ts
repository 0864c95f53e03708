import type { PageQuery } from '../backend.ts'

/** Sorts behind every character. */
const LAST = '\u{10ffff}'

/** Sorts as the versions do: 2^53 has 16 digits. */
export function logKey(resource: string, version: number): string {
  return `${resource} ${String(version).padStart(16, '0')}`
}

export function termKey(resource: string, term: string, key: string): string {
  return `${resource} ${encodeURIComponent(term)} ${key}`
}

export function rangeOf(
  start: string,
  { prefix, after }: PageQuery
): { start: string; end: string; exclusiveStart: boolean } {
  const exclusiveStart = after !== '' && after >= prefix
  return { start: start + (exclusiveStart ? after : prefix), end: start + prefix + LAST, exclusiveStart }
}

/** Behind every key of the resource. */
export function endOf(resource: string): string {
  return `${resource} ${LAST}`
}
