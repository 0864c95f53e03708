import type { PolicyRule } from '../../core/kinds/types.ts'

export const READ = 'get list watch'
export const WRITE = 'create delete deletecollection patch update'
export const ALL = `${READ} ${WRITE}`

/**
 * One rule on resources. Words are separated by spaces, but groups by commas, so that the core group can be the empty
 * word: ",events.k8s.io" is both event groups.
 */
export function allow(verbs: string, groups: string, resources: string): PolicyRule {
  return { apiGroups: groups.split(','), resources: sorted(resources), verbs: sorted(verbs) }
}

/** The rule for objects of these names only. */
export function only(rule: PolicyRule, ...names: string[]): PolicyRule {
  return { ...rule, resourceNames: names }
}

/** One rule on plain paths. */
export function allowPaths(verbs: string, paths: string): PolicyRule {
  return { nonResourceURLs: sorted(paths), verbs: sorted(verbs) }
}

export const writeEvents = allow('create patch update', ',events.k8s.io', 'events')

function sorted(words: string): string[] {
  return words.split(' ').sort()
}
