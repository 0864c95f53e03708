/** The cluster's keys: its CA, the certificates of the parts that are always there, and the keys that sign tokens. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate
} from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { CertificateSigner } from '../../core/certificate-signer.ts'
import type { Ports } from '../../core/ports.ts'
import type { CertificateRequest, KeyPair } from './certificates.ts'
import { mintUserToken } from './tokens.ts'

const DAY = 24 * 3600 * 1000
const AUTHORITY_DAYS = 3650
const LEAF_DAYS = 365
/** A certificate with less than this left is made anew at start. */
const RENEW_DAYS = 30
/** Clocks of nodes that run late still accept a new certificate. */
const SKEW_MS = 300_000

export interface KeyOptions {
  /** Further names and addresses of the API server: the host's, and the service's address. */
  readonly hosts: readonly string[]
  readonly ports: Ports
}

export interface ClientName {
  /** The user: "system:node:n1". */
  readonly commonName: string
  /** The groups: "system:nodes". */
  readonly organizations?: readonly string[]
}

/** The key that signs service account tokens (ES256) and the id that its tokens name it by. */
export interface SigningKey {
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface Keys extends TokenMint {
  /** The CA's certificate, PEM. */
  readonly authority: string
  readonly server: KeyPair
  /** User kubernetes-admin of the group system:masters. */
  readonly admin: KeyPair
  /** What the API server shows to node agents: kube-apiserver-kubelet-client. */
  readonly kubeletClient: KeyPair
  readonly serviceAccount: SigningKey
  /** The secret that signs the cluster's own user tokens (HS256). */
  readonly userToken: KeyObject
  /** A new client certificate, valid for a year. */
  issueClientCertificate(name: ClientName): Promise<KeyPair>
  /** A node agent's certificate: it serves under `hosts`, and identifies the node as a client too. */
  issueServingCertificate(name: ClientName & { readonly hosts: readonly string[] }): Promise<KeyPair>
  /** Signs what certificate signing requests ask for. */
  readonly signer: CertificateSigner
  /** Certifies somebody else's key (P-256, SPKI, PEM) for some days. Throws where it is no such key. */
  certifyServingKey(publicKey: string, name: ServingName): Promise<string>
}

export interface ServingName {
  readonly commonName: string
  readonly hosts: readonly string[]
  readonly days: number
}

/** Names by which clients in and beside the cluster reach the API server, wherever it runs. */
const OWN_HOSTS = [
  'localhost',
  '127.0.0.1',
  '::1',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local'
]

/** This machine's name and addresses. */
export function machineHosts(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  const usable = addresses.filter((entry) => !entry.internal && !entry.address.startsWith('fe80:'))
  return [...new Set([hostname().toLowerCase(), ...usable.map((entry) => entry.address)])]
}

/**
 * Reads the keys in `dir`, makes those that are missing and renews certificates that are about to expire, lack a name
 * or were signed by another CA. Throws where a file is unreadable or not a key.
 */
export async function loadOrCreateKeys(dir: string, options: KeyOptions): Promise<Keys> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { ports } = options
  const hosts = [...new Set([...OWN_HOSTS, ...options.hosts])]
  const authority = await loadAuthority(dir, ports)
  const leaf = (file: string, name: ClientName & { readonly hosts?: readonly string[] }) =>
    loadLeaf({ dir, file, name, authority, ports })
  const userToken = loadSecret(dir)
  return {
    authority: authority.certificate,
    server: await leaf('apiserver', { commonName: 'kube-apiserver', hosts }),
    admin: await leaf('admin', { commonName: 'kubernetes-admin', organizations: ['system:masters'] }),
    kubeletClient: await leaf('apiserver-kubelet-client', {
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters']
    }),
    serviceAccount: loadSigningKey(dir),
    userToken,
    mintUserToken: (request) => mintUserToken(userToken, { ...request, ports }),
    issueClientCertificate: (name) => issue(authority, name, ports),
    issueServingCertificate: (name) => issue(authority, name, ports),
    signer: signerOf(authority, ports),
    certifyServingKey: (publicKey, name) => certifyServingKey(authority, { ...name, publicKey }, ports)
  }
}

export interface UserTokenRequest {
  readonly user: string
  readonly groups: readonly string[]
  /** Absent: the token does not expire. */
  readonly expiresSeconds?: number
}

export interface TokenMint {
  mintUserToken(request: UserTokenRequest): Promise<string>
}

/** All that the command line needs to mint a token, of keys that exist. Throws where there are none. */
export async function openKeys(dir: string, ports: Ports): Promise<TokenMint> {
  const key = secretKey(await readFile(join(dir, 'user-token.key'), 'utf8'))
  return { mintUserToken: (request) => mintUserToken(key, { ...request, ports }) }
}

async function loadAuthority(dir: string, ports: Ports): Promise<KeyPair> {
  const stored = readPair(dir, 'ca')
  if (stored !== undefined && expiresLater(stored.certificate, ports)) return stored
  // A renewed CA keeps its key and name: what it signed before stays valid.
  const made = await makeAuthority(ports, stored?.key)
  writePair(dir, 'ca', made)
  return made
}

/** A new CA, valid for ten years; with `key`, under that one. */
export async function makeAuthority(ports: Ports, key?: string): Promise<KeyPair> {
  const { createAuthority } = await import('./certificates.ts')
  const now = ports.clock.now()
  const request = { commonName: 'kubernetes', notBefore: now - SKEW_MS, notAfter: now + AUTHORITY_DAYS * DAY }
  return await createAuthority({ ...request, ids: ports.ids }, key)
}

interface Leaf {
  readonly dir: string
  readonly file: string
  readonly name: ClientName & { readonly hosts?: readonly string[] }
  readonly authority: KeyPair
  readonly ports: Ports
}

async function loadLeaf(leaf: Leaf): Promise<KeyPair> {
  const stored = readPair(leaf.dir, leaf.file)
  if (stored !== undefined && isUsable(stored, leaf)) return stored
  const made = await issue(leaf.authority, leaf.name, leaf.ports)
  writePair(leaf.dir, leaf.file, made)
  return made
}

/** A leaf certificate of the cluster's CA, valid for a year. */
export async function issue(authority: KeyPair, name: Leaf['name'], ports: Ports): Promise<KeyPair> {
  const { issueCertificate } = await import('./certificates.ts')
  const now = ports.clock.now()
  const request: CertificateRequest = {
    ...name,
    notBefore: now - SKEW_MS,
    notAfter: now + LEAF_DAYS * DAY,
    ids: ports.ids
  }
  return await issueCertificate(authority, request)
}

export async function certifyServingKey(
  authority: KeyPair,
  { publicKey, days, ...name }: ServingName & { readonly publicKey: string },
  ports: Ports
): Promise<string> {
  const { certifyKey } = await import('./certificates.ts')
  const now = ports.clock.now()
  const valid = { serverOnly: true, notBefore: now - SKEW_MS, notAfter: now + days * DAY, ids: ports.ids }
  return await certifyKey(authority, { ...name, ...valid }, publicKey)
}

export function signerOf(authority: KeyPair, ports: Ports): CertificateSigner {
  return {
    subjectOf: async (request) => (await import('./certificate-requests.ts')).subjectOf(request),
    sign: async (request, { usages, seconds }) => {
      const { signRequest } = await import('./certificate-requests.ts')
      const now = ports.clock.now()
      const valid = { notBefore: now - SKEW_MS, notAfter: now + seconds * 1000 }
      return await signRequest(authority, { request, usages, ids: ports.ids, ...valid })
    }
  }
}

function isUsable(pair: KeyPair, leaf: Leaf): boolean {
  const certificate = new X509Certificate(pair.certificate)
  const authority = new X509Certificate(leaf.authority.certificate)
  return (
    expiresLater(pair.certificate, leaf.ports) &&
    certificate.verify(authority.publicKey) &&
    certificate.checkPrivateKey(createPrivateKey(pair.key)) &&
    (leaf.name.hosts ?? []).every((host) =>
      isIP(host) === 0 ? certificate.checkHost(host) !== undefined : certificate.checkIP(host) !== undefined
    )
  )
}

function expiresLater(certificate: string, ports: Ports): boolean {
  return Date.parse(new X509Certificate(certificate).validTo) - ports.clock.now() > RENEW_DAYS * DAY
}

function loadSigningKey(dir: string): SigningKey {
  const stored = read(dir, 'sa.key')
  if (stored !== undefined) return signingKeyOf(stored)
  const pem = makeSigningKey()
  const key = signingKeyOf(pem)
  write(dir, 'sa.key', pem)
  write(dir, 'sa.pub', key.publicKey.export({ type: 'spki', format: 'pem' }).toString())
  return key
}

/** PKCS #8, PEM. */
export function makeSigningKey(): string {
  const made = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return made.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** Its id is the hash of its public half, as kube-apiserver's. */
export function signingKeyOf(pem: string): SigningKey {
  const privateKey = createPrivateKey(pem)
  const publicKey = createPublicKey(privateKey)
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
  return { id, privateKey, publicKey }
}

function loadSecret(dir: string): KeyObject {
  const stored = read(dir, 'user-token.key')
  if (stored !== undefined) return secretKey(stored)
  const made = randomBytes(32).toString('base64')
  write(dir, 'user-token.key', `${made}\n`)
  return secretKey(made)
}

function secretKey(base64: string): KeyObject {
  const bytes = Buffer.from(base64.trim(), 'base64')
  if (bytes.length < 32) throw new Error('user-token.key must hold at least 32 bytes in base64')
  return createSecretKey(bytes)
}

function readPair(dir: string, name: string): KeyPair | undefined {
  const certificate = read(dir, `${name}.crt`)
  const key = read(dir, `${name}.key`)
  return certificate === undefined || key === undefined ? undefined : { certificate, key }
}

/** The key first: a certificate that exists always has its key beside it. */
function writePair(dir: string, name: string, pair: KeyPair): void {
  write(dir, `${name}.key`, pair.key)
  write(dir, `${name}.crt`, pair.certificate)
}

function read(dir: string, file: string): string | undefined {
  try {
    return readFileSync(join(dir, file), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all, and readable by the owner only from its first moment. */
function write(dir: string, file: string, text: string): void {
  const temporary = join(dir, `.${file}.new`)
  rmSync(temporary, { force: true })
  writeFileSync(temporary, text, { mode: 0o600, flush: true })
  renameSync(temporary, join(dir, file))
}
