/** What every platform of instances does: run on the fake and on EC2's emulator. */
import { randomUUID } from 'node:crypto'
import type { Instances } from '../../lambdas/reconciler/nodes/instances.ts'

export interface InstancesUnderTest {
  readonly instances: Instances
  /** Two zones that it has. */
  readonly zones: readonly [string, string]
}

export function instancesSuite(get: () => InstancesUnderTest): void {
  const request = (more: object = {}) => ({ id: randomUUID(), type: 't4g.small', zone: get().zones[0], ...more })
  const listed = async (id: string) => (await get().instances.list()).find((one) => one.id === id)

  test('an instance is launched as asked, and listed', async () => {
    const { instances, zones } = get()
    const asked = request({ type: 'm7g.large', zone: zones[1] })
    const id = await instances.launch(asked)
    expect(id).toMatch(/^i-[0-9a-f]{8,17}$/)
    const found = await listed(id)
    expect(found).toMatchObject({ id, launch: asked.id, type: 'm7g.large', zone: zones[1] })
    expect(['pending', 'running']).toContain(found?.state)
    expect(found?.launchedAt).toBeGreaterThan(Date.UTC(2025, 0, 1))
  })

  test('asked again with the same id, it is the same instance; with another, another', async () => {
    const { instances } = get()
    const asked = request()
    const first = await instances.launch(asked)
    expect(await instances.launch(asked)).toBe(first)
    expect(await instances.launch(request())).not.toBe(first)
    const all = await instances.list()
    expect(all.filter(({ launch }) => launch === asked.id)).toHaveLength(1)
  })

  test('a terminated instance has gone, and ending it twice is no error', async () => {
    const { instances } = get()
    const id = await instances.launch(request())
    expect(['pending', 'running']).toContain((await instances.states([id])).get(id))
    await instances.terminate(id)
    await instances.terminate(id)
    expect((await listed(id))?.state ?? 'gone').toBe('gone')
    expect((await instances.states([id])).get(id)).toBe('gone')
  })

  test('what nobody knows has gone', async () => {
    const { instances } = get()
    const unknown = 'i-00000000000dead00'
    const id = await instances.launch(request())
    const states = await instances.states([unknown, id])
    expect(states.get(unknown)).toBe('gone')
    expect(states.get(id)).not.toBe('gone')
    await instances.terminate(unknown)
    expect((await instances.states([])).size).toBe(0)
  })
}
