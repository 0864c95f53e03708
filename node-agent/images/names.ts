/** The name as the runtime looks it up: "busybox" is "docker.io/library/busybox:latest". */
export function fullImageName(name: string): string {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const hasDomain = first.includes('.') || first.includes(':') || first === 'localhost'
  const full = hasDomain ? name : slash < 0 ? `docker.io/library/${name}` : `docker.io/${name}`
  const last = full.slice(full.lastIndexOf('/') + 1)
  return last.includes(':') || last.includes('@') ? full : `${full}:latest`
}
