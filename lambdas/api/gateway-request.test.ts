import { gzipSync } from 'node:zlib'
import { restEvent } from '../../test/gateway-events.ts'
import { type GatewayEvent, requestOf } from './gateway-request.ts'

describe('an event of API Gateway becomes a request', () => {
  test('as REST APIs send it', async () => {
    const request = await requestOf(restEvent('GET', '/api/v1/namespaces/default/pods?limit=5'))
    expect(request).toMatchObject({ method: 'GET', path: '/api/v1/namespaces/default/pods' })
    expect([...request.query]).toEqual([['limit', '5']])
    expect(request.headers).toMatchObject({ accept: 'application/json', 'x-forwarded-proto': 'https' })
    expect(request.body).toBeUndefined()
  })

  test.each<[string, Partial<GatewayEvent>, string]>([
    ['the stage is not in the path', { path: '/api/v1/pods' }, '/api/v1/pods'],
    ['the stage is in the path', { path: '/prod/api/v1/pods' }, '/api/v1/pods'],
    ['the stage is the path', { path: '/prod' }, '/'],
    ['the stage with a slash', { path: '/prod/' }, '/'],
    ['a name that begins as the stage', { path: '/production/x' }, '/production/x'],
    ['a stage called as an API root', { path: '/api/v1/pods', requestContext: { stage: 'api' } }, '/api/v1/pods'],
    ['such a stage in the path', { path: '/api/api/v1/pods', requestContext: { stage: 'api' } }, '/api/v1/pods'],
    [
      'the base path of a domain of the account',
      { path: '/clusters/one/api/v1/pods', pathParameters: { proxy: 'api/v1/pods' } },
      '/api/v1/pods'
    ],
    ['no stage at all', { path: '/api', requestContext: undefined }, '/api'],
    ['escapes stay', { path: '/apis/g/v1/roles/a%2Fb' }, '/apis/g/v1/roles/a%2Fb']
  ])('%s', async (_, of, path) => {
    expect((await requestOf({ ...restEvent('GET', '/'), pathParameters: null, ...of })).path).toBe(path)
  })

  test('a query may name a thing twice', async () => {
    const { query } = await requestOf(restEvent('GET', '/api/v1/pods?dryRun=All&dryRun=x&labelSelector=a%3Db%2Cc'))
    expect(query.getAll('dryRun')).toEqual(['All', 'x'])
    expect(query.get('labelSelector')).toBe('a=b,c')
  })

  test('headers come in any case, and several of one name', async () => {
    const event = restEvent('GET', '/api', { headers: { 'Impersonate-Group': ['a', 'b'], ACCEPT: ['x/y'] } })
    const { headers } = await requestOf(event)
    expect(headers).toMatchObject({ 'impersonate-group': 'a, b', accept: 'x/y' })
    const { multiValueHeaders: _, ...rest } = event
    const single = { ...rest, headers: { Authorization: 'Bearer x', Empty: undefined } }
    expect((await requestOf(single)).headers).toEqual({ authorization: 'Bearer x' })
  })

  test('a body of text, and one of bytes', async () => {
    const bytes = async (event: GatewayEvent) => {
      const { body } = await requestOf(event)
      return body !== undefined && 'bytes' in body ? Buffer.from(body.bytes) : undefined
    }
    expect(await bytes(restEvent('POST', '/', { body: '{"é":1}' }))).toEqual(Buffer.from('{"é":1}'))
    const binary = Buffer.from([0x6b, 0x38, 0x73, 0x00, 0xff])
    expect(await bytes(restEvent('POST', '/', { body: binary }))).toEqual(binary)
    const headers = { 'Content-Encoding': ['gzip'] }
    expect(await bytes(restEvent('POST', '/', { body: gzipSync('{}'), headers }))).toEqual(Buffer.from('{}'))
  })

  test.each<[string, string | Uint8Array, Record<string, string[]>, string]>([
    ['too large', 'x'.repeat(3 * 1024 * 1024 + 1), {}, 'RequestEntityTooLarge'],
    [
      'too large when unpacked',
      gzipSync('x'.repeat(4_000_000)),
      { 'content-encoding': ['gzip'] },
      'RequestEntityTooLarge'
    ],
    ['no gzip', 'plain', { 'content-encoding': ['gzip'] }, 'BadRequest']
  ])('a body that is %s is refused', async (_, body, headers, reason) => {
    await expect(requestOf(restEvent('POST', '/', { body, headers }))).rejects.toMatchObject({ reason })
  })
})
