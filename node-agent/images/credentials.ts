/** Which credentials of a pod's pull secrets fit an image. */
import type { Secret } from '../../core/kinds/types.ts'
import type { ImageAuth } from '../runtime/runtime.ts'
import { fullImageName } from './names.ts'

interface DockerEntry {
  readonly username?: string
  readonly password?: string
  readonly auth?: string
}

/** Those that fit best first; without any, the image is pulled anonymously. */
export function credentialsFor(image: string, secrets: readonly Secret[]): ImageAuth[] {
  const target = fullImageName(image)
  const found: { readonly length: number; readonly auth: ImageAuth }[] = []
  for (const secret of secrets) {
    for (const [server, entry] of Object.entries(entriesOf(secret))) {
      const pattern = server.replace(/^https?:\/\//, '').replace(/\/v[12]\/?$/, '')
      const registry = pattern === 'index.docker.io' || pattern === '' ? 'docker.io' : pattern.replace(/\/$/, '')
      if (!fits(target, registry)) continue
      found.push({ length: registry.length, auth: { ...login(entry), serverAddress: server } })
    }
  }
  return found.sort((a, b) => b.length - a.length).map(({ auth }) => auth)
}

function entriesOf(secret: Secret): Record<string, DockerEntry> {
  try {
    const modern = secret.data?.['.dockerconfigjson']
    if (modern !== undefined) {
      const config = JSON.parse(Buffer.from(modern, 'base64').toString()) as { auths?: Record<string, DockerEntry> }
      return config.auths ?? {}
    }
    const old = secret.data?.['.dockercfg']
    return old === undefined ? {} : (JSON.parse(Buffer.from(old, 'base64').toString()) as Record<string, DockerEntry>)
  } catch {
    return {}
  }
}

function login({ username, password, auth }: DockerEntry): ImageAuth {
  if (username !== undefined && password !== undefined) return { username, password }
  const [user = '', ...rest] = Buffer.from(auth ?? '', 'base64')
    .toString()
    .split(':')
  return { username: user, password: rest.join(':') }
}

/** "*.example.com" stands for one part of a host name; a path must be the beginning of the image's. */
function fits(image: string, pattern: string): boolean {
  const [host = '', ...path] = pattern.split('/')
  const [imageHost = '', ...imagePath] = image.split('/')
  const parts = host.split('.')
  const imageParts = imageHost.split('.')
  if (parts.length !== imageParts.length) return false
  const hostFits = parts.every((part, index) => part === '*' || part === imageParts[index])
  return hostFits && path.every((part, index) => part === imagePath[index])
}
