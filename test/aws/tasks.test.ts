import {
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTaskDefinitionsCommand
} from '@aws-sdk/client-ecs'
import { ecsTasks } from '../../lambdas/reconciler/fargate/ecs-tasks.ts'
import { TaskRefused, type Tasks } from '../../lambdas/reconciler/fargate/tasks.ts'
import { plainContainer, plainDefinition, tasksSuite } from '../contract/tasks-suite.ts'
import { describeWith } from '../requires.ts'
import { type Emulator, lacksForEmulator, startEmulator } from './emulator.ts'

const settings = {
  cluster: 'wherry-test',
  subnets: ['subnet-00000001'],
  securityGroups: ['sg-00000001'],
  logGroup: '/wherry/test/tasks',
  region: 'us-east-1'
}

describeWith(lacksForEmulator('ministack'), 'tasks of ECS', () => {
  let emulator: Emulator
  let client: ECSClient
  let tasks: Tasks
  const connect = () =>
    new ECSClient({
      endpoint: emulator.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
    })

  beforeAll(async () => {
    emulator = await startEmulator('ministack')
    client = connect()
    tasks = ecsTasks({ client, cluster: 'test', settings })
  }, 240_000)
  afterAll(async () => {
    client?.destroy()
    await emulator?.stop()
  })

  tasksSuite(() => tasks)

  test('a definition says all that the pod asks for', async () => {
    const container = plainContainer({
      entryPoint: ['sh'],
      command: ['-c', 'true'],
      memory: 300,
      reserved: 200,
      workingDir: '/srv',
      user: '1000:2000',
      readOnlyRoot: true,
      after: [{ name: 'init', condition: 'SUCCESS' }],
      mounts: [{ volume: 'data', path: '/data', readOnly: true }],
      check: { command: ['CMD', 'true'], interval: 10, timeout: 2, retries: 3, startPeriod: 0 },
      dropCapabilities: ['ALL']
    })
    const init = plainContainer({ name: 'init', essential: false })
    const definition = { ...plainDefinition(init, container), volumes: ['data'], disk: 30 }
    const id = await tasks.run({ pod: 'uid-1', key: 'default/all', attempt: 0, definition })
    const { tasks: found = [] } = await client.send(
      new DescribeTasksCommand({ cluster: 'wherry-test', tasks: [id], include: ['TAGS'] })
    )
    expect(found[0]).toMatchObject({ startedBy: 'uid-1', group: 'wherry:default/all', launchType: 'FARGATE' })
    const { taskDefinition } = await client.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: found[0]?.taskDefinitionArn ?? '' })
    )
    expect(taskDefinition).toMatchObject({
      family: 'wherry-test-uid-1',
      networkMode: 'awsvpc',
      cpu: '256',
      memory: '512',
      ephemeralStorage: { sizeInGiB: 30 },
      volumes: [{ name: 'data' }],
      containerDefinitions: [
        { name: 'init', essential: false },
        {
          name: 'web',
          essential: true,
          entryPoint: ['sh'],
          command: ['-c', 'true'],
          environment: [{ name: 'COLOR', value: 'red' }],
          cpu: 256,
          memory: 300,
          memoryReservation: 200,
          workingDirectory: '/srv',
          user: '1000:2000',
          readonlyRootFilesystem: true,
          portMappings: [{ containerPort: 80, protocol: 'tcp' }],
          dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }],
          mountPoints: [{ sourceVolume: 'data', containerPath: '/data', readOnly: true }],
          healthCheck: { command: ['CMD', 'true'], interval: 10, timeout: 2, retries: 3, startPeriod: 0 },
          stopTimeout: 30,
          linuxParameters: { capabilities: { drop: ['ALL'] } },
          logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-stream-prefix': 'uid-1' } }
        }
      ]
    })
  })

  test('what only the pod needed is gone when it is forgotten', async () => {
    await tasks.run({ pod: 'uid-2', key: 'default/two', attempt: 0, definition: plainDefinition() })
    const active = async () =>
      (await client.send(new ListTaskDefinitionsCommand({ familyPrefix: 'wherry-test-uid-2', status: 'ACTIVE' })))
        .taskDefinitionArns
    expect(await active()).toHaveLength(1)
    await tasks.forget('uid-2')
    expect(await active()).toEqual([])
  })

  test('tasks of others in the ECS cluster are not ours', async () => {
    const other = ecsTasks({ client, cluster: 'other', settings })
    await other.run({ pod: 'uid-3', key: 'default/three', attempt: 0, definition: plainDefinition() })
    expect(await tasks.running()).not.toContain('uid-3')
  })

  test.each(['ClientException', 'InvalidParameterException'])('%s of a run is a refusal', async (name) => {
    const refusing = connect()
    refusing.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === 'RunTaskCommand') throw Object.assign(new Error('no such subnet'), { name })
        return await next(args)
      },
      { step: 'initialize' }
    )
    const poor = ecsTasks({ client: refusing, cluster: 'test', settings })
    const request = { pod: `uid-${name}`, key: 'default/x', attempt: 0, definition: plainDefinition() }
    await expect(poor.run(request)).rejects.toBeInstanceOf(TaskRefused)
    refusing.destroy()
  })
})
