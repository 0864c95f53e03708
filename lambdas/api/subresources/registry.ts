/** The subresources that every server has, by name. A new one is a file here and a line below. */
import type { ResourceHandler } from '../types.ts'
import { binding } from './binding.ts'
import { eviction } from './eviction.ts'
import { finalize } from './finalize.ts'
import { ephemeralContainers, resize } from './pod-changes.ts'
import { scale } from './scale.ts'
import { status } from './status.ts'
import { refuseStream } from './streams.ts'

export const subresourceHandlers: Readonly<Record<string, ResourceHandler>> = {
  attach: refuseStream,
  binding,
  ephemeralcontainers: ephemeralContainers,
  eviction,
  exec: refuseStream,
  finalize,
  portforward: refuseStream,
  resize,
  scale,
  status
}
