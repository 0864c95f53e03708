import { createHash } from 'node:crypto'
import { pack, unpack } from './compression.ts'
import { DICTIONARY } from './compression-dictionary.ts'

const pod = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'x' }, spec: { restartPolicy: 'Always' } }

test.each([
  { name: 'nothing', text: '' },
  { name: 'a letter', text: 'x' },
  { name: 'a pod', text: JSON.stringify(pod) },
  { name: 'what repeats', text: 'é'.repeat(100_000) }
])('gives back $name', ({ text }) => {
  const packed = pack(Buffer.from(text))
  expect(Buffer.from(unpack(packed)).toString()).toBe(text)
  expect(packed.length).toBeLessThanOrEqual(Buffer.byteLength(text) + 1)
})

test('refuses what it did not make', () => {
  expect(() => unpack(Buffer.from([9, 1, 2]))).toThrow('unknown format 9')
  expect(() => unpack(pack(Buffer.from(JSON.stringify(pod))).subarray(0, 9))).toThrow()
})

test('the dictionary is the one with which objects were stored', () => {
  const digest = createHash('sha256').update(DICTIONARY).digest('hex')
  expect(digest).toBe('ae6f8b386ca32dc74a2f72affb1b3ce114a6cfa4068577ace8abacb75db4012d')
})
