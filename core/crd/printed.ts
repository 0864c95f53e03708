/** A definition's versions as Go prints its internal structs where a message shows them. */
import type { CustomResourceDefinitionVersion } from '../kinds/types.ts'

export function printedVersions(versions: readonly CustomResourceDefinitionVersion[]): unknown {
  return versions
}
