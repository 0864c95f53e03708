import { expect, test } from '@jest/globals'
import { FairQueue } from './fair-queue.ts'

/** Enters, and says when it was let in. */
function visitor(queue: FairQueue, log: string[]) {
  return (flow: string, label: string, seats = 1) => {
    const wait = queue.enter(flow, seats)
    if (wait === undefined) log.push(label)
    else void wait.then(() => log.push(label))
  }
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('seats that are free are taken at once', () => {
  const queue = new FairQueue({ seats: 2, waiting: 1 })
  expect([queue.enter('a', 1), queue.enter('b', 1)]).toEqual([undefined, undefined])
  expect(queue.enter('a', 1)).toBeInstanceOf(Promise)
})

test('one request of another comes before the many that wait of the one who floods', async () => {
  const queue = new FairQueue({ seats: 2, waiting: 10 })
  const log: string[] = []
  const enter = visitor(queue, log)
  for (let i = 0; i < 8; i++) enter('flood', `flood${i}`)
  enter('quiet', 'quiet')
  queue.leave('flood', 1)
  await turn()
  expect(log).toEqual(['flood0', 'flood1', 'quiet'])
  queue.leave('quiet', 1)
  queue.leave('flood', 1)
  await turn()
  expect(log).toEqual(['flood0', 'flood1', 'quiet', 'flood2', 'flood3'])
})

test('flows that wait take turns', async () => {
  const queue = new FairQueue({ seats: 1, waiting: 10 })
  const log: string[] = []
  const enter = visitor(queue, log)
  enter('x', 'x')
  for (const label of ['a1', 'a2', 'b1', 'b2', 'c1']) enter(label.charAt(0), label)
  for (const flow of ['x', 'a', 'b', 'c', 'a']) {
    queue.leave(flow, 1)
    await turn()
  }
  expect(log).toEqual(['x', 'a1', 'b1', 'c1', 'a2', 'b2'])
})

test('too many of one flow are told to come again, those of others are not', () => {
  const queue = new FairQueue({ seats: 1, waiting: 2 })
  for (let i = 0; i < 3; i++) void queue.enter('flood', 1)
  expect(() => queue.enter('flood', 1)).toThrow('Too many requests, please try again later.')
  expect(queue.enter('quiet', 1)).toBeInstanceOf(Promise)
})

test('a request for more seats than there are goes alone', async () => {
  const queue = new FairQueue({ seats: 4, waiting: 10 })
  const log: string[] = []
  const enter = visitor(queue, log)
  enter('a', 'small')
  enter('b', 'large', 10)
  enter('c', 'next')
  await turn()
  expect(log).toEqual(['small'])
  queue.leave('a', 1)
  await turn()
  expect(log).toEqual(['small', 'large'])
  queue.leave('b', 10)
  await turn()
  expect(log).toEqual(['small', 'large', 'next'])
})
