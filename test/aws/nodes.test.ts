import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudFormationClient, DescribeStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import { EC2Client } from '@aws-sdk/client-ec2'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { jest } from '@jest/globals'
import { buildBusyboxImage } from '../../cli/busybox-image.ts'
import type { Deployment, Node, Pod } from '../../core/kinds/types.ts'
import { bundleAgent } from '../../infra/node-asset.ts'
import { ec2Instances } from '../../lambdas/reconciler/nodes/ec2-instances.ts'
import { eventually, IMAGE } from '../e2e/cluster.ts'
import { describeWith, lacksForNode } from '../requires.ts'
import { DeployedCluster } from './deployed.ts'
import { lacksForEmulator } from './emulator.ts'
import { InstanceLab, type TestInstance } from './instances.ts'
import type { RoleCredentials } from './metadata-server.ts'

const NAME = 'nodes'
const REGION = 'us-east-1'
/** A CI machine may be three times slower than a quiet one, and the emulator starts functions anew now and then. */
const PATIENT_MS = 240_000
// Each test waits for several things, each with patience of its own.
jest.setTimeout(600_000)
/** Short leases, so that a lost node shows soon; on AWS they are minutes. */
const HEARTBEAT = { leaseSeconds: 12, renewMs: 3_000 }
const WEB = readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'web.yaml'), 'utf8')

describeWith(lacksForNode() ?? lacksForEmulator('ministack'), 'two instances with real agents', () => {
  let dir: string
  let cluster: DeployedCluster
  let lab: InstanceLab
  let a: TestInstance
  let b: TestInstance

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-nodes-'))
    const image = join(dir, 'busybox.tar')
    buildBusyboxImage(image)
    await bundleAgent(join(dir, 'agent'))
    cluster = await DeployedCluster.start({ name: NAME })
    const client = awsOptions(cluster.endpoint)
    const { server, endpoint, authority } = cluster
    const roleArn = await nodeRole(client)
    lab = new InstanceLab({
      cluster: NAME,
      server,
      endpoint,
      authority,
      region: REGION,
      program: join(dir, 'agent', 'main.mjs'),
      credentials: (id) => roleCredentials(client, roleArn, id)
    })
    await lab.open()
    const instances = ec2Instances({
      client: new EC2Client(client),
      cluster: NAME,
      template: `wherry-${NAME}`,
      subnets: {}
    })
    const launch = async (letter: string) => {
      const zone = `${REGION}${letter}`
      const id = await instances.launch({ id: `test-${letter}`, type: 'm7g.large', zone })
      return await lab.launch({ id, zone, config: HEARTBEAT })
    }
    a = await launch('a')
    b = await launch('b')
    for (const instance of [a, b])
      await until(`an image on ${instance.id}`, () => instance.loadImage(image).then(() => true))
    for (const { id } of [a, b])
      await until(`${id} is Ready`, async () => ready(await cluster.json<Node>('get', 'node', id)))
  }, 600_000)

  afterAll(async () => {
    await lab?.close()
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  }, 120_000)

  /** Waits, and shows where it waits in vain what the agents said. */
  const until = async <T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> => {
    try {
      return await eventually(what, check, PATIENT_MS)
    } catch (error) {
      const logs = [a, b].filter((one) => one !== undefined).map((one) => `${one.id}\n${one.log(15)}`)
      const functionLog = await cluster.functionLog('reconciler', 15).catch(String)
      throw new Error(`${error}\n${logs.join('\n')}\nreconciler\n${functionLog}`)
    }
  }
  const webPods = async () => {
    const { items } = await cluster.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  }
  const webIs = (replicas: number, more: (pods: readonly Pod[]) => boolean = () => true) =>
    until(`${replicas} pods of web`, async () => {
      const { status } = await cluster.json<Deployment>('get', 'deployment', 'web')
      const pods = await webPods()
      const done = status?.readyReplicas === replicas && status.updatedReplicas === replicas
      return done && pods.length === replicas && more(pods) && pods
    })
  /** Runs a command in a pod on the instance, and gives what it printed, by `kubectl logs`. */
  const inPod = async (name: string, on: TestInstance, script: string): Promise<string> => {
    await cluster.apply(JSON.stringify(podOf(name, on.id, script)))
    await until(`the pod ${name} has run`, async () => {
      const { status } = await cluster.json<Pod>('get', 'pod', name)
      return status?.phase === 'Succeeded' || status?.phase === 'Failed'
    })
    return await cluster.k('logs', name)
  }

  test('say what they are, and have addresses of their own for their pods', async () => {
    const [one, other] = await Promise.all([a, b].map(({ id }) => cluster.json<Node>('get', 'node', id)))
    expect(one?.metadata.labels).toMatchObject({
      'topology.kubernetes.io/zone': 'us-east-1a',
      'topology.kubernetes.io/region': 'us-east-1',
      'node.kubernetes.io/instance-type': 'm7i.large'
    })
    expect(one?.metadata.annotations?.['wherry.dev/queue-url']).toMatch(`/wherry-${NAME}-node-${a.id}`)
    expect(one?.spec?.providerID).toBe(`aws:///us-east-1a/${a.id}`)
    expect(one?.status?.addresses).toContainEqual({ type: 'InternalIP', address: a.privateIP })
    for (const node of [one, other]) expect(node?.spec?.podCIDR).toMatch(/^10\.244\.\d+\.0\/24$/)
    expect(one?.spec?.podCIDR).not.toBe(other?.spec?.podCIDR)
  })

  test('run the example; each pod and the service answer from either node', async () => {
    await cluster.apply(WEB)
    const pods = await webIs(3, (all) => new Set(all.map(({ spec }) => spec?.nodeName)).size === 2)
    const names = pods.map(({ metadata }) => metadata.name ?? '').sort()
    const ips = pods.map(({ status }) => status?.podIP ?? '')
    const asks = [...ips.map((ip) => `${ip}:8080`), ...Array(12).fill('web'), 'web.default.svc.cluster.local']
    const script = asks.map((host) => `timeout 5 wget -qO- http://${host}/ || echo "no answer from ${host}"`).join('; ')
    const answers = (await Promise.all([inPod('ask-a', a, script), inPod('ask-b', b, script)])).map((text) =>
      text.trim().split('\n')
    )
    for (const lines of answers) {
      expect(lines.length).toBe(asks.length)
      expect([...new Set(lines.slice(0, 3))].sort()).toEqual(names)
      expect(lines.filter((line) => !names.includes(line))).toEqual([])
    }
    // The instances themselves, too: their own address is not one of the pods'.
    const { spec } = await cluster.json<{ spec: { clusterIP: string } }>('get', 'service', 'web')
    for (const instance of [a, b]) {
      const fromHost = await hostAsks(instance, [
        ...ips.map((ip) => `http://${ip}:8080/`),
        ...Array(9).fill(`http://${spec.clusterIP}/`)
      ])
      expect([...new Set(fromHost.slice(0, 3))].sort()).toEqual(names)
      expect(fromHost.filter((line) => !names.includes(line))).toEqual([])
    }
  })

  test('pods reach the API under its own name and with their own token', async () => {
    const token = (await cluster.k('create', 'token', 'default')).trim()
    const { data } = await cluster.json<{ data: Record<string, string> }>('get', 'configmap', 'kube-root-ca.crt')
    const asked = await a.exec(process.execPath, '-e', ASK_API, JSON.stringify({ token, ca: data['ca.crt'] }))
    const { kind, status } = JSON.parse(asked) as Record<string, Record<string, unknown>>
    expect(kind).toBe('SelfSubjectReview')
    expect(status).toMatchObject({ userInfo: { username: 'system:serviceaccount:default:default' } })
    // busybox speaks TLS, but not with keys such as ours: that it gets so far is what a pod adds to the above.
    const inside = 'nc -w 5 kubernetes.default.svc 443 < /dev/null && echo reached'
    expect(await inPod('api', b, inside)).toBe('reached\n')
  })

  test('logs come through the API: followed, the last lines, and of a container before', async () => {
    await cluster.apply(JSON.stringify(podOf('says', a.id, 'for i in 1 2 3; do echo line $i; sleep 1; done')))
    await until('it runs', async () => {
      const { status } = await cluster.json<Pod>('get', 'pod', 'says')
      return status?.phase !== 'Pending'
    })
    expect(await cluster.k('logs', '-f', 'says')).toBe('line 1\nline 2\nline 3\n')
    expect(await cluster.k('logs', 'says', '--tail=1')).toBe('line 3\n')
    const { code, stderr } = await cluster.kubectl(['logs', 'says', '--previous'])
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('previous terminated container "c" in pod "says" not found')
    ])
  })

  test('follow the Deployment: scaled, rolled out anew, rolled back', async () => {
    await cluster.k('scale', 'deployment/web', '--replicas=4')
    await webIs(4)
    await cluster.k('set', 'env', 'deployment/web', 'VERSION=2')
    const version = (pods: readonly Pod[]) => pods.map(({ spec }) => spec?.containers[0]?.env?.[0]?.value)
    await webIs(4, (pods) => version(pods).every((value) => value === '2'))
    await cluster.k('rollout', 'undo', 'deployment/web')
    await webIs(4, (pods) => version(pods).every((value) => value === undefined))
  })

  test('one that is killed loses its pods to the other, and comes back', async () => {
    const tolerations = ['unreachable', 'not-ready'].map((key) => ({
      key: `node.kubernetes.io/${key}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 1
    }))
    const patch = { spec: { replicas: 2, template: { spec: { tolerations, terminationGracePeriodSeconds: 3 } } } }
    await cluster.k('patch', 'deployment', 'web', '-p', JSON.stringify(patch))
    await webIs(2, (pods) => new Set(pods.map(({ spec }) => spec?.nodeName)).size === 2)
    await b.killAgent()
    await webIs(2, (pods) => pods.every(({ spec }) => spec?.nodeName === a.id))
    expect(ready(await cluster.json<Node>('get', 'node', b.id))).toBe(false)
    b.startAgent()
    await until('it is Ready again', async () => ready(await cluster.json<Node>('get', 'node', b.id)))
    await until('what ran on it has gone', async () => {
      const { items } = await cluster.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')
      return items.length === 2
    })
  })

  test('nothing of it is left when it is deleted; every part of the control plane was called for it', async () => {
    await cluster.k('delete', 'deployment,service', 'web')
    await cluster.k('delete', 'pod', '--all', '--wait=false')
    await until('no pod is left', async () => (await cluster.json<{ items: Pod[] }>('get', 'pods')).items.length === 0)
    const counts = await cluster.invocations()
    process.stdout.write(`invocations: ${JSON.stringify(counts)}\n`)
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10)
  })
})

function ready(node: Node): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

function podOf(name: string, node: string, script: string) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node },
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image: IMAGE, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script] }]
    }
  }
}

/** What each URL answers to the instance itself; a failure is its text. */
async function hostAsks(instance: TestInstance, urls: readonly string[]): Promise<string[]> {
  const script = `for (const url of JSON.parse(process.argv[1])) {
    const limit = AbortSignal.timeout(5000)
    const text = await fetch(url, { signal: limit }).then((answer) => answer.text(), (error) => url + ' ' + error.message)
    console.log(text.trim())
  }`
  const printed = await instance.exec(process.execPath, '--input-type=module', '-e', script, JSON.stringify(urls))
  return printed.trim().split('\n')
}

/** Asks the service `kubernetes` who the token is, by the cluster's authority and name alone. */
const ASK_API = `
const { token, ca } = JSON.parse(process.argv[1])
const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' })
const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' }
const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
const at = { host: '10.96.0.1', servername: 'kubernetes.default.svc', ca, path, method: 'POST', headers }
require('node:https').request(at, (answer) => answer.pipe(process.stdout)).end(body)
`

function awsOptions(endpoint: string) {
  return { endpoint, region: REGION, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
}

type Options = ReturnType<typeof awsOptions>

async function nodeRole(options: Options): Promise<string> {
  const stack = new CloudFormationClient(options)
  const { StackResources = [] } = await stack.send(new DescribeStackResourcesCommand({ StackName: `wherry-${NAME}` }))
  const role = StackResources.find(
    ({ ResourceType, LogicalResourceId }) =>
      ResourceType === 'AWS::IAM::Role' && LogicalResourceId?.startsWith('NodesRole')
  )
  if (role === undefined) throw new Error('the stack has no role for nodes')
  return `arn:aws:iam::000000000000:role/${role.PhysicalResourceId}`
}

/** As EC2 gives them to an instance: the session's name is the instance's. */
async function roleCredentials(options: Options, RoleArn: string, RoleSessionName: string): Promise<RoleCredentials> {
  const { Credentials } = await new STSClient(options).send(new AssumeRoleCommand({ RoleArn, RoleSessionName }))
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = Credentials ?? {}
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new Error('STS gave no credentials')
  return { accessKeyId, secretAccessKey, sessionToken }
}
