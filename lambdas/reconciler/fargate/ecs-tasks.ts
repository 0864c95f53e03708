import {
  type Container,
  DeregisterTaskDefinitionCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  type ECSClient,
  type Task as EcsTask,
  ListTaskDefinitionsCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
  type Tag
} from '@aws-sdk/client-ecs'
import { definitionInput, type FargateSettings } from './ecs-definition.ts'
import { type ContainerRun, type RunRequest, type Task, TaskRefused, type Tasks } from './tasks.ts'

/** Tags of tasks and of their definitions. */
const CLUSTER_TAG = 'wherry.dev/cluster'
const POD_TAG = 'wherry.dev/pod'
const KEY_TAG = 'wherry.dev/name'
const ATTEMPT_TAG = 'wherry.dev/attempt'

export interface EcsOptions {
  readonly client: ECSClient
  /** The Kubernetes cluster's name. */
  readonly cluster: string
  readonly settings: FargateSettings
}

/** Mistakes of the request: asked again, ECS would say the same. */
const REFUSED = new Set([
  'ClientException',
  'InvalidParameterException',
  'PlatformTaskDefinitionIncompatibilityException'
])
const NOT_FOUND = new Set(['InvalidParameterException', 'ResourceNotFoundException'])

export function ecsTasks(options: EcsOptions): Tasks {
  return new EcsTasks(options)
}

class EcsTasks implements Tasks {
  private readonly client: ECSClient
  private readonly cluster: string
  private readonly settings: FargateSettings

  constructor({ client, cluster, settings }: EcsOptions) {
    this.client = client
    this.cluster = cluster
    this.settings = settings
  }

  async run(request: RunRequest): Promise<string> {
    // ECS knows a token for a day; the tags tell for as long as the task is known.
    const known = await this.find(request.pod)
    if (known?.attempt === request.attempt) return known.id
    const { cluster, publicIp, securityGroups, subnets } = this.settings
    const command = new RunTaskCommand({
      cluster,
      taskDefinition: await this.definitionOf(request),
      launchType: 'FARGATE',
      count: 1,
      clientToken: `${request.pod}-${request.attempt}`,
      startedBy: request.pod,
      group: `wherry:${request.key}`.slice(0, 255),
      tags: this.tagsOf(request),
      networkConfiguration: {
        awsvpcConfiguration: {
          subnets: [...subnets],
          securityGroups: [...securityGroups],
          assignPublicIp: publicIp === true ? 'ENABLED' : 'DISABLED'
        }
      }
    })
    const { tasks = [], failures = [] } = await refusing(() => this.client.send(command))
    const id = tasks[0]?.taskArn
    if (id === undefined) throw new Error(`ECS ran no task: ${failures.map(({ reason }) => reason).join(', ')}`)
    return id
  }

  async find(pod: string): Promise<Task | undefined> {
    const family = this.familyOf(pod)
    const both = await Promise.all(
      (['RUNNING', 'STOPPED'] as const).map((desiredStatus) => this.listed({ family, desiredStatus }))
    )
    const tasks = both.flat().map(taskOf)
    return tasks.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt)[0]
  }

  async stop(id: string, reason: string): Promise<void> {
    try {
      await this.client.send(new StopTaskCommand({ cluster: this.settings.cluster, task: id, reason }))
    } catch (error) {
      if (!(error instanceof Error && NOT_FOUND.has(error.name))) throw error
    }
  }

  async running(): Promise<readonly string[]> {
    const tasks = await this.listed({ desiredStatus: 'RUNNING' })
    const ours = tasks.filter((task) => tagOf(task, CLUSTER_TAG) === this.cluster)
    return [...new Set(ours.flatMap((task) => tagOf(task, POD_TAG) ?? []))]
  }

  async forget(pod: string): Promise<void> {
    const { taskDefinitionArns = [] } = await this.client.send(
      new ListTaskDefinitionsCommand({ familyPrefix: this.familyOf(pod), status: 'ACTIVE' })
    )
    for (const taskDefinition of taskDefinitionArns)
      await this.client.send(new DeregisterTaskDefinitionCommand({ taskDefinition }))
  }

  private familyOf(pod: string): string {
    return `wherry-${this.cluster}-${pod}`
  }

  private async listed(filter: { family?: string; desiredStatus: 'RUNNING' | 'STOPPED' }): Promise<EcsTask[]> {
    const { cluster } = this.settings
    const found: EcsTask[] = []
    for (let nextToken: string | undefined; ; ) {
      const list = new ListTasksCommand({ cluster, ...filter, ...(nextToken ? { nextToken } : {}) })
      const page = await this.client.send(list)
      const tasks = page.taskArns ?? []
      if (tasks.length > 0) {
        const describe = new DescribeTasksCommand({ cluster, tasks, include: ['TAGS'] })
        found.push(...((await this.client.send(describe)).tasks ?? []))
      }
      nextToken = page.nextToken
      if (nextToken === undefined || nextToken === '') return found
    }
  }

  /** The definition's ARN. A pod's spec does not change in what a task can do; its environment may have, with a new run. */
  private async definitionOf(request: RunRequest): Promise<string> {
    const family = this.familyOf(request.pod)
    const known = request.attempt > 0 ? undefined : await this.described(family)
    if (known !== undefined) return known
    const input = { ...definitionInput(request.definition, this.settings, request.pod), family }
    const command = new RegisterTaskDefinitionCommand({ ...input, tags: this.tagsOf(request) })
    const { taskDefinition } = await refusing(() => this.client.send(command))
    return taskDefinition?.taskDefinitionArn ?? family
  }

  private async described(family: string): Promise<string | undefined> {
    try {
      const command = new DescribeTaskDefinitionCommand({ taskDefinition: family })
      const { taskDefinition } = await this.client.send(command)
      return taskDefinition?.status === 'ACTIVE' ? taskDefinition.taskDefinitionArn : undefined
    } catch (error) {
      if (error instanceof Error && error.name === 'ClientException') return undefined
      throw error
    }
  }

  private tagsOf({ pod, key, attempt }: RunRequest): Tag[] {
    const tags = { [CLUSTER_TAG]: this.cluster, [POD_TAG]: pod, [KEY_TAG]: key, [ATTEMPT_TAG]: String(attempt) }
    return Object.entries(tags).map(([name, value]) => ({ key: name, value }))
  }
}

async function refusing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof Error && REFUSED.has(error.name)) throw new TaskRefused(error.message)
    throw error
  }
}

const STATES: Readonly<Record<string, Task['state']>> = {
  RUNNING: 'running',
  DEACTIVATING: 'stopping',
  STOPPING: 'stopping',
  DEPROVISIONING: 'stopping',
  STOPPED: 'stopped',
  DELETED: 'stopped'
}

function taskOf(task: EcsTask): Task {
  const ip = addressOf(task)
  return {
    id: task.taskArn ?? '',
    attempt: Number(tagOf(task, ATTEMPT_TAG) ?? 0),
    state: STATES[task.lastStatus ?? ''] ?? 'starting',
    ...(ip === undefined ? {} : { ip }),
    createdAt: task.createdAt?.getTime() ?? 0,
    ...(task.startedAt === undefined ? {} : { startedAt: task.startedAt.getTime() }),
    ...(task.stoppedAt === undefined ? {} : { stoppedAt: task.stoppedAt.getTime() }),
    ...(task.stoppedReason === undefined || task.stoppedReason === '' ? {} : { reason: task.stoppedReason }),
    containers: (task.containers ?? []).map(runOf)
  }
}

function runOf({
  name = '',
  lastStatus,
  runtimeId,
  imageDigest,
  exitCode,
  reason,
  healthStatus
}: Container): ContainerRun {
  const states: Readonly<Record<string, ContainerRun['state']>> = { RUNNING: 'running', STOPPED: 'stopped' }
  return {
    name,
    state: states[lastStatus ?? ''] ?? 'pending',
    ...(runtimeId === undefined || runtimeId === '' ? {} : { id: `ecs://${runtimeId}` }),
    ...(imageDigest === undefined ? {} : { imageDigest }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(reason === undefined || reason === '' ? {} : { reason }),
    ...(healthStatus === 'HEALTHY' || healthStatus === 'UNHEALTHY' ? { healthy: healthStatus === 'HEALTHY' } : {})
  }
}

/** Of the task's network interface. */
function addressOf({ attachments = [], containers = [] }: EcsTask): string | undefined {
  const details = attachments.flatMap(({ type, details = [] }) => (type === 'ElasticNetworkInterface' ? details : []))
  const found = details.find(({ name }) => name === 'privateIPv4Address')?.value
  return found ?? containers.flatMap(({ networkInterfaces = [] }) => networkInterfaces)[0]?.privateIpv4Address
}

function tagOf({ tags = [] }: EcsTask, name: string): string | undefined {
  return tags.find(({ key }) => key === name)?.value
}
