import {
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTaskDefinitionsCommand,
  ListTasksCommand,
  type Task
} from '@aws-sdk/client-ecs'
import { jest } from '@jest/globals'
import type { Deployment, Node, Pod } from '../../core/kinds/types.ts'
import { eventually } from '../e2e/cluster.ts'
import { describeWith } from '../requires.ts'
import { DeployedCluster } from './deployed.ts'
import { lacksForEmulator } from './emulator.ts'

const NAME = 'fargate'
const PATIENT_MS = 180_000

jest.setTimeout(300_000)

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {wherry.dev/compute: fargate}
      containers:
        - name: web
          image: public.ecr.aws/nginx/nginx:1
          env:
            - {name: COLOR, valueFrom: {configMapKeyRef: {name: colors, key: web}}}
          resources: {requests: {cpu: 300m, memory: 600Mi}}
          ports: [{containerPort: 80}]
`
const privileged = `apiVersion: v1
kind: Pod
metadata: {name: root}
spec:
  nodeSelector: {wherry.dev/compute: fargate}
  containers: [{name: c, image: i, securityContext: {privileged: true}}]
`

describeWith(lacksForEmulator('ministack'), 'pods as Fargate tasks', () => {
  let cluster: DeployedCluster
  let ecs: ECSClient

  beforeAll(async () => {
    cluster = await DeployedCluster.start({ name: NAME, flags: ['--context', 'fargate=true'] })
    const { endpoint } = cluster
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    ecs = new ECSClient({ endpoint, region: cluster.aws.AWS_REGION ?? 'us-east-1', credentials })
  }, 600_000)
  afterAll(async () => {
    ecs?.destroy()
    await cluster?.stop()
  }, 120_000)

  const until = async <T>(what: string, check: () => Promise<T | undefined | false>): Promise<T> => {
    try {
      return await eventually(what, check, PATIENT_MS)
    } catch (error) {
      throw new Error(`${error}\nreconciler\n${await cluster.functionLog('reconciler', 15).catch(String)}`)
    }
  }
  const running = async (): Promise<readonly Task[]> => {
    const list = { cluster: `wherry-${NAME}`, desiredStatus: 'RUNNING' as const }
    const { taskArns: tasks = [] } = await ecs.send(new ListTasksCommand(list))
    if (tasks.length === 0) return []
    return (await ecs.send(new DescribeTasksCommand({ cluster: `wherry-${NAME}`, tasks }))).tasks ?? []
  }

  test('there is a node for them, which others are kept from', async () => {
    const node = await until('the node', () => cluster.json<Node>('get', 'node', 'fargate').catch(() => undefined))
    expect(node.spec?.taints).toEqual([{ key: 'wherry.dev/fargate', effect: 'NoSchedule' }])
  })

  test('a Deployment runs as tasks, one for each pod, and says so', async () => {
    await cluster.k('create', 'configmap', 'colors', '--from-literal=web=red')
    await cluster.apply(web)
    await until('two pods run', async () => {
      const { status } = await cluster.json<Deployment>('get', 'deployment', 'web')
      return status?.readyReplicas === 2
    })
    const tasks = await running()
    expect(tasks.map(({ launchType }) => launchType)).toEqual(['FARGATE', 'FARGATE'])
    const { items } = await cluster.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')
    expect(tasks.map(({ startedBy }) => startedBy).sort()).toEqual(items.map(({ metadata }) => metadata.uid).sort())
    expect(items.map(({ spec }) => spec?.nodeName)).toEqual(['fargate', 'fargate'])
    const { taskDefinition } = await ecs.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: tasks[0]?.taskDefinitionArn ?? '' })
    )
    expect(taskDefinition).toMatchObject({ cpu: '512', memory: '1024' })
    expect(taskDefinition?.containerDefinitions?.[0]?.environment).toContainEqual({ name: 'COLOR', value: 'red' })
  })

  test('what a task cannot do fails the pod, by name', async () => {
    await cluster.apply(privileged)
    const pod = await until('the pod has failed', async () => {
      const found = await cluster.json<Pod>('get', 'pod', 'root')
      return found.status?.phase === 'Failed' && found
    })
    expect(pod.status).toMatchObject({
      reason: 'NotSupportedByFargate',
      message: 'Fargate cannot run this pod: spec.containers[c].securityContext.privileged'
    })
    await cluster.k('delete', 'pod', 'root')
  })

  test('after the Deployment is deleted no task runs, and nothing is left of it', async () => {
    await cluster.k('delete', 'deployment', 'web', '--wait=false')
    await until('no task runs', async () => (await running()).length === 0)
    await until('the pods have gone', async () => {
      const { items } = await cluster.json<{ items: Pod[] }>('get', 'pods')
      return items.length === 0
    })
    await until('no definition is active', async () => {
      const { taskDefinitionArns = [] } = await ecs.send(new ListTaskDefinitionsCommand({ status: 'ACTIVE' }))
      return taskDefinitionArns.length === 0
    })
  })
})
