/** Removes images that no container uses when the disk fills up: at 85 % down to 80 %, as kubelet does. */
import type { Pressure } from '../node/machine.ts'
import { PAUSE_IMAGE } from '../runtime/pause-image.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'

const HIGH = 0.85
const LOW = 0.8
/** An image that has only just come is about to be used. */
const MIN_AGE_MS = 120_000

/** When each image was first seen unused. */
const unusedSince = new Map<string, number>()

/** Pure: which to remove, the longest unused first. `free`: bytes that must become free. */
export function imagesToRemove(
  images: readonly Image[],
  used: ReadonlySet<string>,
  { free, since, now }: { readonly free: number; readonly since: Map<string, number>; readonly now: number }
): Image[] {
  const ids = new Set(images.map((image) => image.id))
  for (const id of since.keys()) if (!ids.has(id) || used.has(id)) since.delete(id)
  const unused = images.filter((image) => !isUsed(image, used) && !image.tags.includes(PAUSE_IMAGE))
  for (const image of unused) if (!since.has(image.id)) since.set(image.id, now)
  const age = (image: Image) => now - (since.get(image.id) ?? now)
  const removed: Image[] = []
  let left = free
  for (const image of unused.sort((a, b) => age(b) - age(a))) {
    if (left <= 0 || age(image) < MIN_AGE_MS) break
    removed.push(image)
    left -= image.size
  }
  return removed
}

function isUsed(image: Image, used: ReadonlySet<string>): boolean {
  return [image.id, ...image.tags, ...image.digests].some((name) => used.has(name))
}

export async function collectImages(
  runtime: Runtime,
  at: { readonly pressure: Pressure; readonly used: ReadonlySet<string>; readonly now: number }
): Promise<void> {
  const { storage, storageAvailable } = at.pressure
  const usedShare = 1 - storageAvailable / storage
  const free = usedShare < HIGH ? 0 : (usedShare - LOW) * storage
  const images = imagesToRemove(await runtime.listImages(), at.used, { free, since: unusedSince, now: at.now })
  for (const image of images) await runtime.removeImage(image.id)
}
