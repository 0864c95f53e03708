/** The name as the runtime looks it up: "busybox" is "docker.io/library/busybox:latest". */
export function fullImageName(name: string): string {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const hasDomain = first.includes('.') || first.includes(':') || first === 'localhost'
  const full = hasDomain ? name : slash < 0 ? `docker.io/library/${name}` : `docker.io/${name}`
  const last = full.slice(full.lastIndexOf('/') + 1)
  return last.includes(':') || last.includes('@') ? full : `${full}:latest`
}

const DOMAIN_PART = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const DOMAIN = `(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`
const PATH_PART = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const PATH = `${PATH_PART}(?:/${PATH_PART})*`
const TAG = '[\\w][\\w.-]{0,127}'
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}'
const REFERENCE = new RegExp(`^((?:${DOMAIN}/)?${PATH})(?::${TAG})?(?:@${DIGEST})?$`)
const MOST_NAME = 255

/** What is wrong with an image's name, in the words of github.com/distribution/reference; undefined: nothing. */
export function imageNameProblem(name: string): string | undefined {
  if (/^[a-f0-9]{64}$/.test(name)) {
    return `invalid repository name (${name}), cannot specify 64-byte hexadecimal strings`
  }
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  const hasDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  const inHub = slash < 0 ? `library/${name}` : name
  const rest = hasDomain ? name.slice(slash + 1) : inHub
  const repository = rest.split(':')[0] ?? ''
  if (repository !== repository.toLowerCase()) {
    return `invalid reference format: repository name (${repository}) must be lowercase`
  }
  const full = `${hasDomain ? first : 'docker.io'}/${rest}`
  const parts = REFERENCE.exec(full)
  if (parts === null) return 'invalid reference format'
  const path = (parts[1] ?? '').slice(full.indexOf('/') + 1)
  return path.length > MOST_NAME ? 'repository name must not be more than 255 characters' : undefined
}
