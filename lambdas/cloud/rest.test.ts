import { rests } from './rest.ts'

test('it rests while nothing is there, and looks anew when something changed', async () => {
  let version = 1
  let nodes = 0
  let looks = 0
  const isEmpty = async () => {
    looks++
    return nodes === 0
  }
  const resting = rests({ glance: async () => version, resource: 'nodes', isEmpty })
  expect([await resting(), await resting(), looks]).toEqual([true, true, 1])
  nodes = 1
  version = 2
  expect([await resting(), await resting(), looks]).toEqual([false, false, 2])
  nodes = 0
  version = 3
  expect([await resting(), looks]).toEqual([true, 3])
})

test('a look that fails is no answer, and is made again', async () => {
  let fails = true
  const isEmpty = async () => {
    if (fails) throw new Error('throttled')
    return true
  }
  const resting = rests({ glance: async () => 1, resource: 'nodes', isEmpty })
  await expect(resting()).rejects.toThrow('throttled')
  fails = false
  expect(await resting()).toBe(true)
})
