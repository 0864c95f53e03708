/** The cluster's keys on AWS: one parameter, made by whoever starts first and read by all others. */
import { createSecretKey, randomBytes } from 'node:crypto'
import type { Ports } from '../../core/ports.ts'
import type { SealingKey, SealOptions } from '../../store/backends/sealed.ts'
import type { KeyPair } from '../api/certificates.ts'
import {
  certifyServingKey,
  issue,
  type Keys,
  makeAuthority,
  makeSigningKey,
  signerOf,
  signingKeyOf
} from '../api/keys.ts'
import { mintUserToken } from '../api/tokens.ts'

/** Where parameters are kept: SSM, of which each call is one. */
export interface Parameters {
  get(name: string): Promise<string | undefined>
  /** Leaves one that is there. */
  create(name: string, value: string): Promise<void>
}

export interface CloudKeys extends Omit<Keys, 'server' | 'admin' | 'kubeletClient'> {
  /** Of Secrets, see SealedBackend: the first seals, all of them open. */
  readonly sealing: SealOptions['keys']
}

/** The parameter's JSON. Everything binary is base64, keys are PKCS #8 and certificates X.509 in PEM. */
interface Stored {
  readonly authority: KeyPair
  readonly serviceAccount: string
  readonly userToken: string
  readonly sealing: readonly { readonly id: string; readonly key: string }[]
}

/** The keys under `prefix` (/wherry/NAME). Of several that start at once, all get the same. */
export async function openCloudKeys(parameters: Parameters, prefix: string, ports: Ports): Promise<CloudKeys> {
  const name = `${prefix}/keys`
  let text = await parameters.get(name)
  if (text === undefined) {
    await parameters.create(name, JSON.stringify(await makeKeys(ports)))
    text = await parameters.get(name)
  }
  if (text === undefined) throw new Error(`the parameter ${name} was made and is not there`)
  return keysOf(text, name, ports)
}

async function makeKeys(ports: Ports): Promise<Stored> {
  return {
    authority: await makeAuthority(ports),
    serviceAccount: makeSigningKey(),
    userToken: randomBytes(32).toString('base64'),
    sealing: [{ id: ports.ids.suffix(8), key: randomBytes(32).toString('base64') }]
  }
}

function keysOf(text: string, name: string, ports: Ports): CloudKeys {
  const stored = parse(text, name)
  const [first, ...further] = stored.sealing.map(({ id, key }): SealingKey => ({ id, key: Buffer.from(key, 'base64') }))
  if (first === undefined) throw damaged(name)
  const userToken = createSecretKey(Buffer.from(stored.userToken, 'base64'))
  return {
    authority: stored.authority.certificate,
    serviceAccount: signingKeyOf(stored.serviceAccount),
    userToken,
    sealing: [first, ...further],
    mintUserToken: (request) => mintUserToken(userToken, { ...request, ports }),
    issueClientCertificate: (client) => issue(stored.authority, client, ports),
    issueServingCertificate: (server) => issue(stored.authority, server, ports),
    signer: signerOf(stored.authority, ports),
    certifyServingKey: (publicKey, name) => certifyServingKey(stored.authority, { ...name, publicKey }, ports)
  }
}

/** What is wrong with it is said without showing any of it. */
function parse(text: string, name: string): Stored {
  let stored: Partial<Stored> = {}
  try {
    stored = JSON.parse(text) as Partial<Stored>
  } catch {}
  const { authority, serviceAccount, userToken, sealing } = stored
  if (authority === undefined || serviceAccount === undefined || userToken === undefined || sealing === undefined)
    throw damaged(name)
  return { authority, serviceAccount, userToken, sealing }
}

function damaged(name: string): Error {
  return new Error(`the parameter ${name} does not hold the keys of a cluster`)
}
