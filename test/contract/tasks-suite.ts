/** What every platform of tasks does: run on the fake and on ECS' emulator. */
import { randomUUID } from 'node:crypto'
import type { RunRequest, TaskContainer, TaskDefinition, Tasks } from '../../lambdas/reconciler/fargate/tasks.ts'

export function plainContainer(more: Partial<TaskContainer> = {}): TaskContainer {
  return {
    name: 'web',
    image: 'nginx:1',
    essential: true,
    environment: { COLOR: 'red' },
    cpu: 256,
    ports: [{ port: 80, protocol: 'tcp' }],
    after: [],
    mounts: [],
    stopTimeout: 30,
    tty: false,
    addCapabilities: [],
    dropCapabilities: [],
    ...more
  }
}

export function plainDefinition(...containers: readonly TaskContainer[]): TaskDefinition {
  const all = containers.length === 0 ? [plainContainer()] : containers
  return { cpu: 256, memory: 512, disk: 20, volumes: [], sharesProcesses: false, containers: all }
}

export function tasksSuite(get: () => Tasks): void {
  const request = (more: Partial<RunRequest> = {}): RunRequest => {
    const pod = randomUUID()
    return { pod, key: `default/p-${pod}`, attempt: 0, definition: plainDefinition(), ...more }
  }

  test('a task runs the containers that it was given, and is found by its pod', async () => {
    const tasks = get()
    const asked = request({ definition: plainDefinition(plainContainer(), plainContainer({ name: 'log', ports: [] })) })
    expect(await tasks.find(asked.pod)).toBeUndefined()
    const id = await tasks.run(asked)
    const found = await tasks.find(asked.pod)
    expect(found).toMatchObject({ id, attempt: 0 })
    expect(['starting', 'running']).toContain(found?.state)
    expect(found?.containers.map(({ name }) => name).sort()).toEqual(['log', 'web'])
    expect(found?.createdAt).toBeGreaterThan(Date.UTC(2025, 0, 1))
    expect(await tasks.running()).toContain(asked.pod)
  })

  test('asked again for the same run, it is the same task', async () => {
    const tasks = get()
    const asked = request()
    const id = await tasks.run(asked)
    expect(await tasks.run(asked)).toBe(id)
    expect((await tasks.running()).filter((pod) => pod === asked.pod)).toHaveLength(1)
  })

  test('stopped, it is still found, with the end of each container; stopping it twice is no error', async () => {
    const tasks = get()
    const asked = request()
    const id = await tasks.run(asked)
    await tasks.stop(id, 'no longer needed')
    await tasks.stop(id, 'no longer needed')
    const found = await tasks.find(asked.pod)
    expect(found).toMatchObject({ id, state: 'stopped', reason: 'no longer needed' })
    expect(found?.stoppedAt).toBeGreaterThanOrEqual(found?.createdAt ?? Number.POSITIVE_INFINITY)
    expect(found?.containers).toMatchObject([{ name: 'web', state: 'stopped', exitCode: 0 }])
    expect(await tasks.running()).not.toContain(asked.pod)
  })

  test('the next run of a pod is another task, and the newest is found', async () => {
    const tasks = get()
    const asked = request()
    const first = await tasks.run(asked)
    await tasks.stop(first, 'it ended')
    const second = await tasks.run({ ...asked, attempt: 1 })
    expect(second).not.toBe(first)
    expect(await tasks.find(asked.pod)).toMatchObject({ id: second, attempt: 1 })
  })

  test('forgetting is no error, whatever there was', async () => {
    const tasks = get()
    const asked = request()
    await tasks.stop(await tasks.run(asked), 'it ended')
    await tasks.forget(asked.pod)
    await tasks.forget(asked.pod)
    await tasks.forget(randomUUID())
  })

  test('what nobody knows can be stopped', async () => {
    await get().stop('arn:aws:ecs:us-east-1:000000000000:task/wherry-test/0123456789abcdef', 'gone')
  })
}
