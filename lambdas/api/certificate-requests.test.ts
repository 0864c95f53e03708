import { webcrypto, X509Certificate } from 'node:crypto'
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { Client } from '../../core/client.ts'
import { certificateSigningRequests, clusterRoleBindings } from '../../core/kinds/refs.ts'
import { fakePorts } from '../../test/fake-ports.ts'
import { type InProcess, startInProcess } from '../../test/in-process.ts'
import type { KeyPair } from './certificates.ts'
import { makeAuthority, signerOf } from './keys.ts'

let authority: KeyPair
let cluster: InProcess

beforeAll(async () => {
  authority = await makeAuthority(fakePorts())
})
beforeEach(async () => {
  cluster = await startInProcess({ signer: signerOf(authority, fakePorts()) })
  await cluster.settled()
})
afterEach(() => cluster.stop())

const CLIENT = 'kubernetes.io/kube-apiserver-client'
const KUBELET = 'kubernetes.io/kube-apiserver-client-kubelet'
const SERVING = 'kubernetes.io/kubelet-serving'
const CLIENT_USAGES = ['digital signature', 'client auth']
type Name = { readonly cn: string; readonly o?: readonly string[]; readonly names?: x509.JsonGeneralName[] }

/** Base64 of PEM. */
async function requestFor({ cn, o = [], names }: Name): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: new x509.Name([...o.map((one) => ({ O: [one] })), { CN: [cn] }]),
    keys,
    signingAlgorithm: algorithm,
    extensions: names === undefined ? [] : [new x509.SubjectAlternativeNameExtension(names)]
  })
  return Buffer.from(`${request.toString('pem')}\n`).toString('base64')
}

async function ask(
  name: string,
  spec: { signerName: string; usages: string[]; expirationSeconds?: number },
  who: Name
) {
  const request = await requestFor(who)
  await cluster.admin.create(certificateSigningRequests, { metadata: { name }, spec: { ...spec, request } })
  await cluster.settled()
}

const found = async (name: string) => await cluster.admin.find(certificateSigningRequests, { name })
const conditions = async (name: string) =>
  ((await found(name))?.status?.conditions ?? []).map(({ type, reason, message }) => [type, reason, message])

/** As `kubectl certificate approve` does. */
async function decide(name: string, type: 'Approved' | 'Denied') {
  const request = structuredClone(await cluster.admin.get(certificateSigningRequests, { name }))
  request.status = { conditions: [{ type, status: 'True', reason: 'KubectlApprove', message: 'by hand' }] }
  await cluster.admin.update(certificateSigningRequests, request, { subresource: 'approval' })
  await cluster.settled()
}

async function certificateOf(name: string): Promise<X509Certificate | undefined> {
  const text = (await found(name))?.status?.certificate
  return text === undefined ? undefined : new X509Certificate(Buffer.from(text, 'base64'))
}

test('what was approved is signed by the cluster, for the client that it names', async () => {
  await ask('jane', { signerName: CLIENT, usages: CLIENT_USAGES, expirationSeconds: 3600 }, { cn: 'jane', o: ['devs'] })
  expect(await certificateOf('jane')).toBeUndefined()
  await decide('jane', 'Approved')
  const certificate = await certificateOf('jane')
  expect(certificate?.subject.split('\n').sort()).toEqual(['CN=jane', 'O=devs'])
  expect(certificate?.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  expect(certificate?.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
  const [from, to] = [Date.parse(certificate?.validFrom ?? ''), Date.parse(certificate?.validTo ?? '')]
  expect(to - from).toBe(3_900_000)
})

test('a serving certificate of a node has its names and addresses', async () => {
  const names: x509.JsonGeneralName[] = [
    { type: 'dns', value: 'n1' },
    { type: 'ip', value: '10.0.0.7' }
  ]
  const usages = ['digital signature', 'key encipherment', 'server auth']
  await ask('serving', { signerName: SERVING, usages }, { cn: 'system:node:n1', o: ['system:nodes'], names })
  await decide('serving', 'Approved')
  const certificate = await certificateOf('serving')
  expect(certificate?.checkHost('n1')).toBe('n1')
  expect(certificate?.checkIP('10.0.0.7')).toBe('10.0.0.7')
})

test('what a signer does not take fails, and what was denied or is of others is left alone', async () => {
  await ask('odd', { signerName: CLIENT, usages: ['server auth', 'client auth'] }, { cn: 'jane' })
  await decide('odd', 'Approved')
  expect(await conditions('odd')).toContainEqual([
    'Failed',
    'SignerValidationFailure',
    'invalid usage for client certificate: server auth'
  ])
  await ask('denied', { signerName: CLIENT, usages: CLIENT_USAGES }, { cn: 'jane' })
  await decide('denied', 'Denied')
  await ask('other', { signerName: 'example.com/mine', usages: ['any'] }, { cn: 'jane' })
  await decide('other', 'Approved')
  expect([await certificateOf('odd'), await certificateOf('denied'), await certificateOf('other')]).toEqual([
    undefined,
    undefined,
    undefined
  ])
})

test('a node that may renews its own certificate; another is not approved', async () => {
  const role = 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient'
  await cluster.admin.create(clusterRoleBindings, {
    metadata: { name: 'nodes-renew' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ kind: 'Group', name: 'system:nodes', apiGroup: 'rbac.authorization.k8s.io' }]
  })
  const groups = ['system:nodes', 'system:authenticated']
  const node = new Client(cluster.api, { username: 'system:node:n1', groups })
  const make = async (name: string, cn: string) => {
    const request = await requestFor({ cn, o: ['system:nodes'] })
    const spec = { signerName: KUBELET, usages: CLIENT_USAGES, request }
    await node.create(certificateSigningRequests, { metadata: { name }, spec })
    await cluster.settled()
  }
  await make('own', 'system:node:n1')
  await make('foreign', 'system:node:n2')
  expect(await conditions('own')).toEqual([
    ['Approved', 'AutoApproved', 'Auto approving self kubelet client certificate after SubjectAccessReview.']
  ])
  expect((await certificateOf('own'))?.subject.split('\n').sort()).toEqual(['CN=system:node:n1', 'O=system:nodes'])
  expect(await conditions('foreign')).toEqual([])
})

test('requests go an hour after their decision, a day after nobody decided', async () => {
  await ask('pending', { signerName: CLIENT, usages: CLIENT_USAGES }, { cn: 'jane' })
  await ask('denied', { signerName: CLIENT, usages: CLIENT_USAGES }, { cn: 'jane' })
  await decide('denied', 'Denied')
  await cluster.pass(50 * 60_000)
  expect([(await found('denied')) === undefined, (await found('pending')) === undefined]).toEqual([false, false])
  await cluster.pass(11 * 60_000)
  expect([(await found('denied')) === undefined, (await found('pending')) === undefined]).toEqual([true, false])
  await cluster.pass(24 * 3_600_000, 3_600_000)
  expect(await found('pending')).toBeUndefined()
})
