import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { signToken, TOKEN_PREFIX } from './aws-token.ts'

const NOW = Date.parse('2026-11-23T18:30:00Z')
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }

const urlOf = (token: string) => new URL(Buffer.from(token.slice(TOKEN_PREFIX.length), 'base64url').toString())

/** Signature Version 4 by its description, to hold against the library's. */
function expectedSignature(url: URL, at: { region: string; cluster: string; secret: string }): string {
  const date = url.searchParams.get('X-Amz-Date') ?? ''
  const day = date.slice(0, 8)
  const query = url.search
    .slice(1)
    .split('&')
    .filter((part) => !part.startsWith('X-Amz-Signature='))
    .sort()
    .join('&')
  const headers = `host:${url.host}\nx-k8s-aws-id:${at.cluster}\n`
  const empty = createHash('sha256').update('').digest('hex')
  const canonical = `GET\n/\n${query}\n${headers}\nhost;x-k8s-aws-id\n${empty}`
  const hash = createHash('sha256').update(canonical).digest('hex')
  const text = `AWS4-HMAC-SHA256\n${date}\n${day}/${at.region}/sts/aws4_request\n${hash}`
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
  const key = hmac(hmac(hmac(hmac(`AWS4${at.secret}`, day), at.region), 'sts'), 'aws4_request')
  return hmac(key, text).toString('hex')
}

describe.each([
  { region: 'us-east-1', host: 'sts.us-east-1.amazonaws.com', sessionToken: undefined },
  { region: 'eu-central-1', host: 'sts.eu-central-1.amazonaws.com', sessionToken: 'session/token+with=signs' },
  { region: 'cn-north-1', host: 'sts.cn-north-1.amazonaws.com.cn', sessionToken: undefined }
])('a token for $region', ({ region, host, sessionToken }) => {
  const given = { ...credentials, ...(sessionToken === undefined ? {} : { sessionToken }) }
  const request = { cluster: 'demo', region, credentials: given, now: NOW }

  test('is the presigned request that EKS knows', async () => {
    const url = urlOf(await signToken(request))
    expect(url.origin + url.pathname).toBe(`https://${host}/`)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      Action: 'GetCallerIdentity',
      Version: '2011-06-15',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `AKIDEXAMPLE/20261123/${region}/sts/aws4_request`,
      'X-Amz-Date': '20261123T183000Z',
      'X-Amz-Expires': '60',
      'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
      ...(sessionToken === undefined ? {} : { 'X-Amz-Security-Token': sessionToken })
    })
  })

  test('is signed for this cluster and no other', async () => {
    const url = urlOf(await signToken(request))
    const at = { region, secret: credentials.secretAccessKey }
    expect(url.searchParams.get('X-Amz-Signature')).toBe(expectedSignature(url, { ...at, cluster: 'demo' }))
    expect(url.searchParams.get('X-Amz-Signature')).not.toBe(expectedSignature(url, { ...at, cluster: 'other' }))
  })
})

test('for an emulator it is signed under the emulator’s own name', async () => {
  const request = { cluster: 'demo', region: 'us-east-1', credentials, now: NOW, endpoint: 'http://127.0.0.1:4566' }
  const url = urlOf(await signToken(request))
  expect(url.origin + url.pathname).toBe('http://127.0.0.1:4566/')
  const at = { region: 'us-east-1', cluster: 'demo', secret: credentials.secretAccessKey }
  expect(url.searchParams.get('X-Amz-Signature')).toBe(expectedSignature(url, at))
})
