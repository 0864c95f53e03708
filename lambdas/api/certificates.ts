/**
 * Makes X.509 certificates with ECDSA P-256. Its library takes a tenth of a second to load: import this file lazily,
 * only when something must be made.
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import type { Ids } from '../../core/ports.ts'

x509.cryptoProvider.set('nodejs', webcrypto)

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** A certificate and its private key (PKCS #8), both PEM. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

export interface CertificateRequest {
  readonly commonName: string
  readonly organizations?: readonly string[]
  /** Subject alternative names; with them the certificate serves, without them it only identifies a client. */
  readonly hosts?: readonly string[]
  /** It identifies nobody as a client. */
  readonly serverOnly?: boolean
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly ids: Ids
}

/** A certificate authority that signs itself. `key`: keep this one (a renewal); else a new one is made. */
export async function createAuthority(request: CertificateRequest, key?: string): Promise<KeyPair> {
  const keys = key === undefined ? await generate() : await importPair(key)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(request.ids),
    name: subject(request),
    notBefore: new Date(request.notBefore),
    notAfter: new Date(request.notAfter),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment | x509.KeyUsageFlags.keyCertSign,
        true
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)
    ]
  })
  return { certificate: pem(certificate), key: await exportKey(keys.privateKey) }
}

/** A leaf certificate with a new key, signed by `authority`. */
export async function issueCertificate(authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
  const keys = await generate()
  return { certificate: await sign(authority, request, keys.publicKey), key: await exportKey(keys.privateKey) }
}

/** A leaf certificate for a key that stays with whoever has it. `publicKey`: P-256, SPKI, PEM; throws where it is none. */
export async function certifyKey(authority: KeyPair, request: CertificateRequest, publicKey: string): Promise<string> {
  const der = x509.PemConverter.decodeFirst(publicKey)
  return await sign(authority, request, await webcrypto.subtle.importKey('spki', der, ALGORITHM, true, ['verify']))
}

async function sign(authority: KeyPair, request: CertificateRequest, publicKey: webcrypto.CryptoKey): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate)
  const { privateKey: signingKey } = await importPair(authority.key)
  const usages: string[] = request.serverOnly === true ? [] : [x509.ExtendedKeyUsage.clientAuth]
  const names: x509.Extension[] = []
  if (request.hosts !== undefined) {
    usages.unshift(x509.ExtendedKeyUsage.serverAuth)
    const entries = request.hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }) as const)
    names.push(new x509.SubjectAlternativeNameExtension(entries))
  }
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(request.ids),
    subject: subject(request),
    issuer: issuer.subjectName,
    notBefore: new Date(request.notBefore),
    notAfter: new Date(request.notAfter),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...names
    ]
  })
  return pem(certificate)
}

function subject(request: CertificateRequest): x509.Name {
  const organizations = (request.organizations ?? []).map((name) => ({ O: [name] }))
  return new x509.Name([...organizations, { CN: [request.commonName] }])
}

/** 15 random bytes, the first not zero, so that the number is positive and needs no padding. */
function serialNumber(ids: Ids): string {
  return `4${ids.uid().replaceAll('-', '').slice(3)}`
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`
}

async function generate(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key)
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY').trim()}\n`
}

async function importPair(key: string): Promise<webcrypto.CryptoKeyPair> {
  const der = x509.PemConverter.decodeFirst(key)
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign'])
  const { d: _private, key_ops: _operations, ...jwk } = await webcrypto.subtle.exportKey('jwk', privateKey)
  const publicKey = await webcrypto.subtle.importKey('jwk', jwk, ALGORITHM, true, ['verify'])
  return { privateKey: privateKey as webcrypto.CryptoKey, publicKey: publicKey as webcrypto.CryptoKey }
}
