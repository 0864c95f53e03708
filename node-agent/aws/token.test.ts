import { expect, test } from '@jest/globals'
import { fakePorts } from '../../test/fake-ports.ts'
import { tokenSource } from './token.ts'

const MINUTE = 60_000
const credentials = { accessKeyId: 'AKID', secretAccessKey: 'secret' }
const at = { cluster: 'c', region: 'us-east-1' }

test('one token for ten minutes, another one long before STS refuses it', async () => {
  const ports = fakePorts()
  let asked = 0
  const source = tokenSource({
    ...at,
    ports,
    credentials: async () => ({ ...credentials, sessionToken: `s${asked++}` })
  })
  const [first, same] = await Promise.all([source.token(), source.token()])
  expect(same).toBe(first)
  await ports.advance(9.9 * MINUTE)
  expect(await source.token()).toBe(first)
  await ports.advance(0.2 * MINUTE)
  const second = await source.token()
  expect(second).not.toBe(first)
  source.renew()
  expect(await source.token()).not.toBe(second)
  expect(asked).toBe(3)
})

test('a failure is not remembered', async () => {
  let fails = true
  const source = tokenSource({
    ...at,
    ports: fakePorts(),
    credentials: async () => {
      if (fails) throw new Error('the metadata service is away')
      return credentials
    }
  })
  await expect(source.token()).rejects.toThrow('away')
  fails = false
  expect(await source.token()).toMatch(/^k8s-aws-v1\./)
})
