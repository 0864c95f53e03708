import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2'
import { readLocal } from '../../cli/aws/local.ts'
import { bundledTool } from '../../cli/kubectl.ts'
import { eventually, execute } from '../e2e/cluster.ts'
import { type Outcome, replay } from '../golden/replay.ts'
import { describeWith } from '../requires.ts'
import { serveApi } from '../served-api.ts'
import { DeployedCluster } from './deployed.ts'
import { lacksForEmulator } from './emulator.ts'

// A whole cluster as `./wherry deploy` makes it: each request through API Gateway and a function, each change through
// the table's stream. With the emulator's policies on: a function that lacks a right fails.

const EXAMPLE = join(import.meta.dirname, '..', '..', 'examples', 'web.yaml')

const RECORDING = 'recorded.json'
/** Cases in which a deployed cluster answers differently from one of this machine, and why. */
const DIFFERS = {
  'auth/self': 'the administrator of AWS is called kubernetes-admin, the recording’s admin',
  'discovery/versions': 'it has another address',
  'watch/initial': 'a stream of a second, in which the reconciler may not have made kube-root-ca.crt'
}
/** Of a namespace that is seconds old: the reconciler may have made kube-root-ca.crt there, or not yet. */
const LIST_OF_CONFIG_MAPS = /^GET \/api\/v1\/namespaces\/\{ns\}\/configmaps(\?.*)?$/

describeWith(lacksForEmulator('ministack'), 'a deployed cluster', () => {
  let cluster: DeployedCluster
  const k = (...args: string[]) => cluster.k(...args)

  beforeAll(async () => {
    cluster = await DeployedCluster.start()
  }, 300_000)
  afterAll(async () => await cluster?.stop(), 120_000)

  test('kubectl says who it is by the AWS credentials at hand', async () => {
    const env = { KUBECONFIG: cluster.execKubeconfig, HOME: cluster.dir, KUBECTL_KUBERC: 'false' }
    const outcome = await execute(await bundledTool('kubectl'), ['auth', 'whoami', '-o', 'json'], { env })
    expect(outcome).toMatchObject({ code: 0 })
    const { status } = JSON.parse(outcome.stdout) as { status: { userInfo: { groups: string[] } } }
    expect(status.userInfo.groups).toContain('system:masters')
  }, 60_000)

  test('the example becomes pods by way of the functions', async () => {
    const before = await cluster.invocations()
    expect(await k('apply', '-f', EXAMPLE)).toBe('deployment.apps/web created\nservice/web created\n')
    const pods = async () => (await k('get', 'pods', '-l', 'app=web', '-o', 'name')).trim().split('\n')
    await eventually('three pods', async () => (await pods()).length === 3, 120_000)
    const scheduled = 'jsonpath={.items[*].status.conditions[?(@.type=="PodScheduled")].reason}'
    await eventually(
      'the scheduler to look at all',
      async () =>
        (await k('get', 'pods', '-l', 'app=web', '-o', scheduled)) === Array(3).fill('Unschedulable').join(' '),
      120_000
    )
    const after = await cluster.invocations()
    for (const name of ['api', 'reconciler', 'scheduler'] as const) expect(after[name]).toBeGreaterThan(before[name])
  }, 300_000)

  test('pods without a node have EC2 asked for an instance', async () => {
    const { AWS_REGION: region = '' } = cluster.aws
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    const ec2 = new EC2Client({ endpoint: cluster.endpoint, region, credentials })
    const Filters = [{ Name: 'tag:wherry.dev/cluster', Values: [cluster.name] }]
    const instances = async () => {
      const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ Filters }))
      return Reservations.flatMap(({ Instances = [] }) => Instances)
    }
    await eventually('an instance', async () => (await instances()).length > 0, 120_000)
    ec2.destroy()
  }, 150_000)

  test('scale, update, roll back and delete', async () => {
    const images = 'jsonpath={.items[*].spec.containers[0].image}'
    const count = async (selector: string) =>
      (await k('get', 'pods', '-l', selector, '-o', 'name')).trim().split('\n').filter(Boolean).length
    await k('scale', 'deployment/web', '--replicas=5')
    await eventually('five pods', async () => (await count('app=web')) === 5, 120_000)
    // One that goes on without available pods: nothing runs here.
    await k('patch', 'deployment', 'web', '-p', '{"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}')
    const image = await k('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')
    const all = async (wanted: string) =>
      (await k('get', 'pods', '-l', 'app=web', '-o', images)) === Array(5).fill(wanted).join(' ')
    await k('set', 'image', 'deployment/web', '*=example.test/other:2')
    await eventually('pods of the new template', async () => await all('example.test/other:2'), 120_000)
    expect(await k('rollout', 'undo', 'deployment/web')).toBe('deployment.apps/web rolled back\n')
    await eventually('pods of the old template', async () => await all(image), 120_000)
    await k('delete', 'deployment', 'web', '--wait=false')
    await eventually('no pod', async () => (await count('app=web')) === 0, 120_000)
    await eventually('no ReplicaSet', async () => (await k('get', 'replicasets', '-o', 'name')) === '', 120_000)
  }, 600_000)

  test('a second deploy changes nothing that is stored', async () => {
    await k('create', 'configmap', 'kept', '--from-literal=a=1')
    const outcome = await cluster.wherry('deploy')
    expect(outcome).toMatchObject({ code: 0 })
    expect(await k('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}')).toBe('1')
  }, 300_000)

  test('recorded exchanges match as on one machine', async () => {
    const embedded = await serveApi()
    try {
      const server = { server: cluster.server, token: await cluster.token() }
      const [there, here] = [await replay(server, RECORDING), await replay(embedded, RECORDING)]
      const known = new Set([...Object.keys(DIFFERS), ...here.report.map((one) => one.case)])
      const isOwn = ({ bad }: Outcome['report'][number]) =>
        !bad.every(({ request }) => LIST_OF_CONFIG_MAPS.test(request))
      expect(there.report.filter((one) => !known.has(one.case) && isOwn(one))).toEqual([])
      expect(there.pass).toBeGreaterThan(here.pass - 10)
    } finally {
      await embedded.close()
    }
  }, 600_000)

  test('destroy ends the emulator, and leaves no file', async () => {
    process.env.XDG_STATE_HOME = join(cluster.dir, 'state')
    const local = readLocal(cluster.name)
    expect(local).toBeDefined()
    expect(await cluster.wherry('destroy')).toMatchObject({ code: 0 })
    expect(readLocal(cluster.name)).toBeUndefined()
    await expect(fetch(cluster.endpoint)).rejects.toThrow()
    expect(() => readFileSync(join(cluster.dir, 'state', 'wherry', cluster.name, 'deploy.log'))).toThrow('ENOENT')
    delete process.env.XDG_STATE_HOME
  }, 60_000)
})
