/** The subresources that every server has, by name. A new one is a file here and a line below. */
import type { ResourceHandler } from '../types.ts'
import { approval } from './approval.ts'
import { binding } from './binding.ts'
import { ephemeralContainers } from './ephemeral-containers.ts'
import { eviction } from './eviction.ts'
import { finalize } from './finalize.ts'
import { resize } from './resize.ts'
import { scale } from './scale.ts'
import { status } from './status.ts'

export const subresourceHandlers: Readonly<Record<string, ResourceHandler>> = {
  approval,
  binding,
  ephemeralcontainers: ephemeralContainers,
  eviction,
  finalize,
  resize,
  scale,
  status
}
