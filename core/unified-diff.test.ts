import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { unifiedDiff } from './unified-diff.ts'

const lines = (...all: (string | number)[]) => all.join('\n')
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** Expected texts are what Python's difflib prints. */
describe('unified diff', () => {
  const cases: [string, unknown, unknown, string][] = [
    ['equal texts', 'a\nb', 'a\nb', ''],
    ['a line replaced', 'a', 'b', '@@ -1 +1 @@\n-a\n+b\n'],
    ['a line added', lines('a', 'b'), lines('a', 'x', 'b'), '@@ -1,2 +1,3 @@\n a\n+x\n b\n'],
    ['a line removed at the end', lines('a', 'b'), 'a', '@@ -1,2 +1 @@\n a\n-b\n'],
    [
      'three lines around',
      lines(...numbers(1, 9)),
      lines(...numbers(1, 4), 'x', ...numbers(6, 9)),
      '@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n'
    ],
    [
      'changes far apart',
      lines(...numbers(1, 12)),
      lines('x', ...numbers(2, 11), 'y'),
      '@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n 10\n 11\n-12\n+y\n'
    ],
    ['values as JSON', { a: '<' }, { a: '&' }, '@@ -1,3 +1,3 @@\n {\n- "a": "\\u003c"\n+ "a": "\\u0026"\n }\n']
  ]
  test.each(cases)('%s', (_, before, after, diff) => {
    expect(unifiedDiff(before, after)).toBe(diff)
  })

  test('a diff applied to the old text gives the new one', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 })
    fc.assert(
      fc.property(text, text, (before, after) => {
        const diff = unifiedDiff(before.join('\n'), after.join('\n'))
        expect(apply(before.length === 0 ? [''] : before, diff)).toEqual(after.length === 0 ? [''] : after)
      })
    )
  })
})

function apply(before: readonly string[], diff: string): string[] {
  const out: string[] = []
  let at = 0
  for (const line of diff.split('\n').slice(0, -1)) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? /.exec(line)
    if (hunk !== null) {
      const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1)
      out.push(...before.slice(at, start))
      at = start
    } else if (line.startsWith('+')) out.push(line.slice(1))
    else {
      expect(line.slice(1)).toBe(before[at])
      if (line.startsWith(' ')) out.push(line.slice(1))
      at++
    }
  }
  return [...out, ...before.slice(at)]
}
