/** What Kubernetes says of a TLS secret whose key and certificate do not fit (crypto/tls, X509KeyPair). */
import { createPrivateKey, X509Certificate } from 'node:crypto'

const BLOCK = /-----BEGIN ([^-]*)-----\r?\n[\s\S]*?-----END \1-----/g

/** Both as PEM. Nothing for what only a stricter parser than ours would refuse. */
export function keyPairWarnings(certificate: string, key: string): string[] {
  const problem = certificateProblem(certificate) ?? keyProblem(key) ?? mismatch(certificate, key)
  return problem === undefined ? [] : [`tls: ${problem}`]
}

function blockTypes(pem: string): string[] {
  return [...pem.matchAll(BLOCK)].map(([, type = '']) => type)
}

function certificateProblem(pem: string): string | undefined {
  const types = blockTypes(pem)
  if (types.includes('CERTIFICATE')) return undefined
  if (types.length === 0) return 'failed to find any PEM data in certificate input'
  if (types.length === 1 && types[0]?.endsWith('PRIVATE KEY'))
    return 'failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
  return `failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`
}

function keyProblem(pem: string): string | undefined {
  const types = blockTypes(pem)
  if (types.some((type) => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY'))) return undefined
  if (types.length === 0) return 'failed to find any PEM data in key input'
  if (types.length === 1 && types[0] === 'CERTIFICATE')
    return 'found a certificate rather than a key in the PEM for the private key'
  return `failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`
}

function mismatch(certificate: string, key: string): string | undefined {
  try {
    const fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
    return fits ? undefined : 'private key does not match public key'
  } catch {
    return undefined
  }
}
