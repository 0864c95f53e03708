import fc from 'fast-check'
import { signToken, TOKEN_PREFIX } from '../../core/aws-token.ts'
import { callerOf, stsRequestOf } from './sts-token.ts'

const NOW = Date.UTC(2026, 10, 23, 19, 0, 0)
const CREDENTIALS = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'session/+=' }
const RULES = { cluster: 'dev', emulator: undefined, now: NOW }

const sign = async (region = 'eu-central-1', now = NOW) =>
  await signToken({ cluster: 'dev', region, credentials: CREDENTIALS, now })
const urlOf = (token: string) => new URL(Buffer.from(token.slice(TOKEN_PREFIX.length), 'base64url').toString())
const tokenOf = (url: string | URL) => TOKEN_PREFIX + Buffer.from(String(url)).toString('base64url')

/** The token with its URL changed. */
async function changed(change: (url: URL) => void): Promise<string> {
  const url = urlOf(await sign())
  change(url)
  return tokenOf(url)
}

describe('a token of an AWS principal', () => {
  test('is asked of STS as it was signed, with the name of this cluster', async () => {
    const token = await sign()
    expect(stsRequestOf(token, RULES)).toEqual({
      url: urlOf(token).toString(),
      headers: { 'x-k8s-aws-id': 'dev', accept: 'application/json' },
      expires: NOW + 15 * 60_000
    })
    expect(stsRequestOf(token, { ...RULES, cluster: 'other' })?.headers['x-k8s-aws-id']).toBe('other')
  })

  test.each(['us-east-1', 'eu-central-1', 'us-gov-west-1', 'ap-southeast-4', 'cn-north-1'])('of %s', async (region) => {
    expect(stsRequestOf(await sign(region), RULES)).toBeDefined()
  })

  test.each([
    'https://sts.amazonaws.com',
    'https://sts-fips.us-east-1.amazonaws.com',
    'https://sts.eu-central-1.api.aws'
  ])('of %s', async (origin) => {
    const { search } = urlOf(await sign())
    expect(stsRequestOf(tokenOf(`${origin}/${search}`), RULES)?.url).toBe(`${origin}/${search}`)
  })

  test.each([
    'http://sts.eu-central-1.amazonaws.com',
    'https://sts.eu-central-1.amazonaws.com:8443',
    'https://sts.eu-central-1.amazonaws.com.example.org',
    'https://example.org',
    'https://evil-sts.amazonaws.com',
    'https://stsamazonaws.com',
    'https://sts.x.amazonaws.com',
    'https://dynamodb.eu-central-1.amazonaws.com',
    'https://user@sts.amazonaws.com',
    'https://169.254.169.254',
    'http://127.0.0.1:4566'
  ])('of %s is not accepted', async (origin) => {
    const { search } = urlOf(await sign())
    expect(stsRequestOf(tokenOf(`${origin}/${search}`), RULES)).toBeUndefined()
  })

  test.each<[string, (url: URL) => void]>([
    ['another action', (url) => url.searchParams.set('Action', 'AssumeRole')],
    ['no action', (url) => url.searchParams.delete('Action')],
    ['another version', (url) => url.searchParams.set('Version', '2010-01-01')],
    ['two actions', (url) => url.searchParams.append('Action', 'GetCallerIdentity')],
    ['two actions in different cases', (url) => url.searchParams.append('action', 'GetCallerIdentity')],
    ['a parameter of its own', (url) => url.searchParams.set('RoleArn', 'arn:aws:iam::1:role/x')],
    ['a path', (url) => url.searchParams && Reflect.set(url, 'pathname', '/x')],
    ['a fragment', (url) => Reflect.set(url, 'hash', '#x')],
    ["not the cluster's name signed", (url) => url.searchParams.set('X-Amz-SignedHeaders', 'host')],
    ['further headers signed', (url) => url.searchParams.set('X-Amz-SignedHeaders', 'accept;host;x-k8s-aws-id')],
    ['a lifetime beyond 15 minutes', (url) => url.searchParams.set('X-Amz-Expires', '901')],
    ['no lifetime', (url) => url.searchParams.delete('X-Amz-Expires')],
    ['a negative lifetime', (url) => url.searchParams.set('X-Amz-Expires', '-1')],
    ['no date', (url) => url.searchParams.delete('X-Amz-Date')],
    ['a date that is none', (url) => url.searchParams.set('X-Amz-Date', '20261399T000000Z')],
    ['another algorithm', (url) => url.searchParams.set('X-Amz-Algorithm', 'AWS4-ECDSA-P256-SHA256')],
    [
      'a signature for another service',
      (url) => url.searchParams.set('X-Amz-Credential', 'A/20261123/eu-central-1/s3/aws4_request')
    ],
    ['no signature', (url) => url.searchParams.delete('X-Amz-Signature')]
  ])('with %s is not accepted', async (_, change) => {
    expect(stsRequestOf(await changed(change), RULES)).toBeUndefined()
  })

  test.each([
    [-14.9, true],
    [-15, false],
    [-60, false],
    [4.9, true],
    [5.1, false]
  ])('signed %d minutes from now: %s', async (minutes, accepted) => {
    const token = await sign('eu-central-1', NOW + minutes * 60_000)
    expect(stsRequestOf(token, RULES) !== undefined).toBe(accepted)
  })

  test('an emulator is asked at its own address, whatever the token names', async () => {
    const emulator = 'http://127.0.0.1:4566'
    const token = await sign()
    expect(stsRequestOf(token, { ...RULES, emulator })?.url).toBe(`${emulator}/${urlOf(token).search}`)
    const there = tokenOf(`${emulator}/${urlOf(token).search}`)
    expect(stsRequestOf(there, { ...RULES, emulator })?.url).toBe(`${emulator}/${urlOf(token).search}`)
    expect(stsRequestOf(tokenOf(`http://127.0.0.1:80/${urlOf(token).search}`), { ...RULES, emulator })).toBeUndefined()
  })

  test('whatever else comes is not accepted, and breaks nothing', async () => {
    const valid = await sign()
    fc.assert(fc.property(fc.string(), (text) => stsRequestOf(TOKEN_PREFIX + text, RULES) === undefined))
    fc.assert(fc.property(fc.webUrl(), (url) => stsRequestOf(tokenOf(url), RULES) === undefined))
    expect(stsRequestOf(`${valid}${'A'.repeat(9000)}`, RULES)).toBeUndefined()
    expect(stsRequestOf(valid.slice(TOKEN_PREFIX.length), RULES)).toBeUndefined()
  })
})

describe('the answer of STS', () => {
  const caller = { arn: 'arn:aws:sts::1:assumed-role/Dev/jane', account: '1', userId: 'AROA:jane' }
  test.each([
    [
      'JSON',
      '{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"1","Arn":"arn:aws:sts::1:assumed-role/Dev/jane","UserId":"AROA:jane"},"ResponseMetadata":{"RequestId":"x"}}}',
      caller
    ],
    [
      'XML',
      '<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::1:assumed-role/Dev/jane</Arn><UserId>AROA:jane</UserId><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>',
      caller
    ],
    ['an error', '{"Error":{"Code":"SignatureDoesNotMatch"}}', undefined],
    ['broken JSON', '{"GetCallerIdentityResponse', undefined],
    ['nothing', '', undefined]
  ])('in %s', (_, text, expected) => {
    expect(callerOf(text)).toEqual(expected)
  })
})
