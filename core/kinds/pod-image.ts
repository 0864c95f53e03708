/** Always for ":latest" and for no tag at all, unless a digest says exactly which image is meant. */
export function defaultPullPolicy(image: string | undefined): 'Always' | 'IfNotPresent' {
  if (!image) return 'IfNotPresent'
  const at = image.indexOf('@')
  const name = at < 0 ? image : image.slice(0, at)
  const colon = name.lastIndexOf(':')
  const tag = colon > name.lastIndexOf('/') ? name.slice(colon + 1) : undefined
  if (tag === 'latest') return 'Always'
  if (tag !== undefined || at >= 0) return 'IfNotPresent'
  return IMAGE.test(name) ? 'Always' : 'IfNotPresent'
}

/** A reference that can be read; of others Kubernetes knows no tag. */
const IMAGE =
  /^(?:(?:[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*(?::[0-9]+)?\/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
