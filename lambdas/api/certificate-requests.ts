/** Certificate signing requests to the standard signers, for which the cluster's own CA signs. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { CertificateSubject } from '../../core/certificate-signer.ts'
import type { Ids } from '../../core/ports.ts'
import type { KeyPair } from './certificates.ts'

x509.cryptoProvider.set('nodejs', webcrypto)

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

const KEY_USAGES: Readonly<Record<string, x509.KeyUsageFlags>> = {
  signing: x509.KeyUsageFlags.digitalSignature,
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'content commitment': x509.KeyUsageFlags.nonRepudiation,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
  'key agreement': x509.KeyUsageFlags.keyAgreement,
  'data encipherment': x509.KeyUsageFlags.dataEncipherment,
  'cert sign': x509.KeyUsageFlags.keyCertSign,
  'crl sign': x509.KeyUsageFlags.cRLSign,
  'encipher only': x509.KeyUsageFlags.encipherOnly,
  'decipher only': x509.KeyUsageFlags.decipherOnly
}
const EXTENDED: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1'
}

/** `request`: base64 of PEM, as spec.request. Throws where it is no request. */
export function subjectOf(request: string): CertificateSubject {
  const parsed = parse(request)
  const names = namesIn(parsed)
  const of = (type: string) => names.filter((name) => name.type === type).map(({ value }) => value)
  return {
    commonName: parsed.subjectName.getField('CN')[0] ?? '',
    organizations: parsed.subjectName.getField('O'),
    dnsNames: of('dns'),
    ipAddresses: of('ip'),
    emailAddresses: of('email'),
    uris: of('url')
  }
}

export interface SigningOrder {
  /** Base64 of PEM. */
  readonly request: string
  readonly usages: readonly string[]
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly ids: Ids
}

/** A certificate as the request asks for it, PEM. */
export async function signRequest(authority: KeyPair, order: SigningOrder): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certificate)
  const parsed = parse(order.request)
  const flags = order.usages.reduce((sum, usage) => sum | (KEY_USAGES[usage] ?? 0), 0)
  const extended = [...new Set(order.usages.flatMap((usage) => EXTENDED[usage] ?? []))]
  const names = namesIn(parsed)
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `4${order.ids.uid().replaceAll('-', '').slice(3)}`,
    subject: parsed.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(order.notBefore),
    notAfter: new Date(Math.min(order.notAfter, issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: parsed.publicKey,
    signingKey: await signingKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...(flags === 0 ? [] : [new x509.KeyUsagesExtension(flags, true)]),
      ...(extended.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(extended)]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])])
    ]
  })
  return `${certificate.toString('pem').trim()}\n`
}

function parse(request: string): x509.Pkcs10CertificateRequest {
  return new x509.Pkcs10CertificateRequest(Buffer.from(request, 'base64').toString())
}

function namesIn(request: x509.Pkcs10CertificateRequest): readonly x509.JsonGeneralName[] {
  const found = request.extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension)
  return found?.names.toJSON() ?? []
}

async function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  return await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), ALGORITHM, false, ['sign'])
}
