import { stsRequestOf } from '../lambdas/api/sts-token.ts'
import { awsToken } from './aws-token.ts'

const NAMES = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_REGION'] as const
const before = Object.fromEntries(NAMES.map((name) => [name, process.env[name]]))

beforeEach(() => {
  process.env.AWS_ACCESS_KEY_ID = 'AKIAEXAMPLE'
  process.env.AWS_SECRET_ACCESS_KEY = 'secret'
  delete process.env.AWS_SESSION_TOKEN
  process.env.AWS_REGION = 'eu-west-1'
})
afterEach(() => {
  for (const name of NAMES) {
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
  }
})

test.each([
  [undefined, 'sts.eu-west-1.amazonaws.com'],
  ['us-east-2', 'sts.us-east-2.amazonaws.com']
])('a token signed in the region %s is one that the cluster accepts', async (region, host) => {
  const { status, ...credential } = await awsToken({ cluster: 'dev', ...(region === undefined ? {} : { region }) })
  expect(credential).toEqual({
    kind: 'ExecCredential',
    apiVersion: 'client.authentication.k8s.io/v1',
    spec: { interactive: false }
  })
  const now = Date.parse(status.expirationTimestamp)
  expect(new URL(stsRequestOf(status.token, { cluster: 'dev', emulator: undefined, now })?.url ?? '').host).toBe(host)
})
