/** Certificate signing requests (PKCS #10), as far as their signature needs to be understood. */
import { createPublicKey, verify } from 'node:crypto'

const PEM = /-----BEGIN ([^-]+)-----\r?\n([\s\S]*?)-----END \1-----/

interface Node {
  readonly tag: number
  /** With its header. */
  readonly whole: Buffer
  readonly content: Buffer
}

/** The first DER value of the bytes. undefined: there is none. */
function read(bytes: Buffer): Node | undefined {
  const [tag, first] = [bytes[0], bytes[1]]
  if (tag === undefined || first === undefined) return undefined
  const count = first < 0x80 ? 0 : first & 0x7f
  if (count > 4 || bytes.length < 2 + count) return undefined
  const length = count === 0 ? first : bytes.readUIntBE(2, count)
  const start = 2 + count
  if (bytes.length < start + length) return undefined
  return { tag, whole: bytes.subarray(0, start + length), content: bytes.subarray(start, start + length) }
}

function children({ content }: Node): Node[] {
  const found: Node[] = []
  for (let rest = content; rest.length > 0; ) {
    const node = read(rest)
    if (node === undefined) return found
    found.push(node)
    rest = rest.subarray(node.whole.length)
  }
  return found
}

/** Signature algorithms by their identifiers' DER, in hexadecimal; null: the key says how. */
const HASHES: Readonly<Record<string, string | null>> = {
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  '2b6570': null
}

/** What is wrong with a request (base64 of PEM), in the words of Go's crypto/x509; undefined: nothing. */
export function certificateRequestProblem(request: string): string | undefined {
  const match = PEM.exec(Buffer.from(request, 'base64').toString('latin1'))
  if (match?.[1] !== 'CERTIFICATE REQUEST') return 'PEM block type must be CERTIFICATE REQUEST'
  const outer = read(Buffer.from(match[2] ?? '', 'base64'))
  const [body, algorithm, signature] = outer === undefined ? [] : children(outer)
  const [, , key] = body === undefined ? [] : children(body)
  const [identifier] = algorithm === undefined ? [] : children(algorithm)
  if (body === undefined || signature === undefined || key === undefined || identifier === undefined)
    return 'asn1: syntax error: data truncated'
  const hash = HASHES[identifier.content.toString('hex')]
  if (hash === undefined) return 'x509: cannot verify signature: algorithm unimplemented'
  try {
    const publicKey = createPublicKey({ key: key.whole, format: 'der', type: 'spki' })
    // The first byte of a bit string counts the unused bits at its end.
    if (verify(hash, body.whole, publicKey, signature.content.subarray(1))) return undefined
  } catch {
    return 'x509: unsupported public key'
  }
  return publicKeyError(key)
}

const ORGANIZATION = '55040a'

/** The organizations that a request's subject names: the groups of whom it would identify. */
export function requestedOrganizations(request: string): string[] {
  const match = PEM.exec(Buffer.from(request, 'base64').toString('latin1'))
  const outer = read(Buffer.from(match?.[2] ?? '', 'base64'))
  const [body] = outer === undefined ? [] : children(outer)
  const [, subject] = body === undefined ? [] : children(body)
  const pairs = (subject === undefined ? [] : children(subject)).flatMap(children).map(children)
  return pairs.flatMap(([type, value]) =>
    type?.content.toString('hex') === ORGANIZATION && value !== undefined ? [value.content.toString('utf8')] : []
  )
}

function publicKeyError({ whole }: Node): string {
  const isRsa = whole.includes(Buffer.from('2a864886f70d010101', 'hex'))
  return isRsa ? 'crypto/rsa: verification error' : 'x509: ECDSA verification failure'
}

/** The same of what a signer issued: PEM of certificates only. */
export function issuedCertificateProblem(certificate: string): string | undefined {
  const text = Buffer.from(certificate, 'base64').toString('latin1')
  let blocks = 0
  for (const [, type = '', body = ''] of text.matchAll(new RegExp(PEM, 'g'))) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`
    if (/^[^\n]*: /m.test(body)) return 'no PEM block headers are permitted'
    if (read(Buffer.from(body, 'base64')) === undefined) return 'x509: malformed certificate'
    blocks++
  }
  return blocks === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined
}
