import { signToken } from '../../core/aws-token.ts'
import { configMaps } from '../../core/kinds/refs.ts'
import type { ConfigMap } from '../../core/kinds/types.ts'
import { cloudSite } from '../../test/cloud-fixture.ts'
import { fakePorts } from '../../test/fake-ports.ts'

const ARN = 'arn:aws:sts::111122223333:assumed-role/Dev/jane'
const answer = (arn: string) =>
  `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"111122223333","Arn":"${arn}","UserId":"A:s"}}}`

async function start() {
  const site = cloudSite()
  const ports = fakePorts()
  const asked: string[] = []
  let reply = { status: 200, text: answer(ARN) }
  const cloud = await site.open({
    ports,
    config: { adminArn: 'arn:aws:iam::111122223333:role/Admin' },
    askSts: async ({ url }) => {
      asked.push(url)
      if (reply.status === 0) throw new Error('no route to STS')
      return reply
    }
  })
  const credentials = { accessKeyId: 'A', secretAccessKey: 's' }
  const token = await signToken({ cluster: 'test', region: 'us-east-1', credentials, now: ports.clock.now() })
  const whoAmI = async (bearer = token) => {
    const response = await cloud.api.serve(
      {
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        query: new URLSearchParams(),
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
        body: { bytes: Buffer.from('{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}') }
      },
      {}
    )
    const value = ('payload' in response.body ? response.body.payload.value : {}) as {
      message?: string
      status?: { userInfo?: { username: string; groups: string[] } }
    }
    return { status: response.status, user: value.status?.userInfo?.username, message: value.message }
  }
  const admin = cloud.client('root', 'system:masters')
  const map = async (mapRoles: string) => {
    const metadata = { name: 'aws-auth', namespace: 'kube-system' }
    const old = await admin.find(configMaps, metadata)
    if (old === undefined) await admin.create(configMaps, { metadata, data: { mapRoles } } as ConfigMap)
    else await admin.update(configMaps, { ...old, data: { mapRoles } } as ConfigMap)
  }
  const say = (status: number, text = '') => {
    reply = { status, text }
  }
  return { site, ports, asked, whoAmI, map, say, token }
}

const DEV = '- {rolearn: "arn:aws:iam::111122223333:role/Dev", username: "dev:{{SessionName}}", groups: [dev]}'

describe('a bearer of AWS credentials', () => {
  test('comes in as aws-auth maps the role, from the moment it is there', async () => {
    const { site, whoAmI, map, asked, ports } = await start()
    expect(await whoAmI()).toMatchObject({ status: 401, message: 'Unauthorized' })
    await map(DEV)
    expect(await whoAmI()).toMatchObject({ status: 201, user: 'dev:jane' })
    asked.length = 0
    for (let i = 0; i < 5; i++) await whoAmI()
    expect(asked).toEqual([])
    await map('')
    await ports.advance(60_000)
    expect(await whoAmI()).toMatchObject({ status: 401 })
    await site.close()
  })

  test('the deployer needs no mapping, and a wrong one does not shut him out', async () => {
    const { site, whoAmI, map, say } = await start()
    await map('- - : {')
    say(200, answer('arn:aws:sts::111122223333:assumed-role/Admin/me'))
    expect(await whoAmI()).toMatchObject({ status: 201, user: 'kubernetes-admin' })
    await site.close()
  })

  test('many requests at the same moment ask STS once', async () => {
    const { site, whoAmI, map, asked } = await start()
    await map(DEV)
    const all = await Promise.all([1, 2, 3, 4].map(() => whoAmI()))
    expect([all.map(({ user }) => user), asked.length]).toEqual([Array(4).fill('dev:jane'), 1])
    await site.close()
  })

  test.each([
    [403, 401, 'Unauthorized'],
    [500, 503, 'STS does not answer who sent this request: please try again'],
    [429, 503, 'STS does not answer who sent this request: please try again'],
    [0, 503, 'STS does not answer who sent this request: please try again'],
    [200, 401, 'Unauthorized']
  ])('where STS says %i the answer is %i', async (sts, status, message) => {
    const { site, whoAmI, map, say } = await start()
    await map(DEV)
    say(sts, '<html>')
    expect(await whoAmI()).toMatchObject({ status, message })
    await site.close()
  })

  test('a token that is too old, or not for STS, is refused without asking', async () => {
    const { site, whoAmI, map, asked, ports, token } = await start()
    await map(DEV)
    await ports.advance(15 * 60_000)
    expect((await whoAmI()).status).toBe(401)
    expect((await whoAmI(`${token.slice(0, 40)}`)).status).toBe(401)
    expect(asked).toEqual([])
    await site.close()
  })
})
