/**
 * A unified diff as go-difflib (a port of Python's difflib) prints it. Kubernetes ends some refusals with such a diff of
 * two objects, so the same lines must be taken for equal here, by the same rules.
 */

interface Match {
  readonly a: number
  readonly b: number
  readonly size: number
}

interface Step {
  readonly tag: 'equal' | 'replace' | 'delete' | 'insert'
  readonly a: readonly [number, number]
  readonly b: readonly [number, number]
}

const CONTEXT = 3
/** From this many lines on, lines that make up more than a hundredth of the text are not used to find matches. */
const POPULAR_FROM = 200

/** Of two texts, or of the JSON of two values, indented by one space. */
export function unifiedDiff(before: unknown, after: unknown): string {
  const a = linesOf(before)
  const b = linesOf(after)
  const out: string[] = []
  for (const group of groups(steps(a, b))) {
    const first = group[0]
    const last = group.at(-1)
    if (first === undefined || last === undefined) continue
    out.push(`@@ -${range(first.a[0], last.a[1])} +${range(first.b[0], last.b[1])} @@\n`)
    for (const { tag, a: left, b: right } of group) {
      if (tag === 'equal') for (const line of a.slice(...left)) out.push(` ${line}`)
      if (tag === 'replace' || tag === 'delete') for (const line of a.slice(...left)) out.push(`-${line}`)
      if (tag === 'replace' || tag === 'insert') for (const line of b.slice(...right)) out.push(`+${line}`)
    }
  }
  return out.join('')
}

function linesOf(value: unknown): string[] {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1).replace(HTML, escapeHtml)
  return text.split('\n').map((line) => `${line}\n`)
}

/** As Go's JSON encoder escapes them. */
const HTML = /[<>&]/g
function escapeHtml(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16)}`
}

function range(start: number, stop: number): string {
  const length = stop - start
  if (length === 1) return `${start + 1}`
  return `${length === 0 ? start : start + 1},${length}`
}

/** Where each line of b stands, without those that are too common to say anything. */
function positions(b: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>()
  b.forEach((line, i) => {
    const at = found.get(line)
    if (at === undefined) found.set(line, [i])
    else at.push(i)
  })
  if (b.length >= POPULAR_FROM) {
    const most = Math.trunc(b.length / 100) + 1
    for (const [line, at] of found) if (at.length > most) found.delete(line)
  }
  return found
}

interface Window {
  readonly a: readonly [number, number]
  readonly b: readonly [number, number]
}

function longestMatch(
  lines: { a: readonly string[]; b: readonly string[] },
  where: ReadonlyMap<string, readonly number[]>,
  window: Window
): Match {
  const { a, b } = lines
  const [aLow, aHigh] = window.a
  const [bLow, bHigh] = window.b
  let best: Match = { a: aLow, b: bLow, size: 0 }
  let lengths = new Map<number, number>()
  for (let i = aLow; i < aHigh; i++) {
    const next = new Map<number, number>()
    for (const j of where.get(a[i] ?? '') ?? []) {
      if (j < bLow) continue
      if (j >= bHigh) break
      const size = (lengths.get(j - 1) ?? 0) + 1
      next.set(j, size)
      if (size > best.size) best = { a: i - size + 1, b: j - size + 1, size }
    }
    lengths = next
  }
  let { a: i, b: j, size } = best
  while (i > aLow && j > bLow && a[i - 1] === b[j - 1]) {
    i--
    j--
    size++
  }
  while (i + size < aHigh && j + size < bHigh && a[i + size] === b[j + size]) size++
  return { a: i, b: j, size }
}

function matches(a: readonly string[], b: readonly string[]): Match[] {
  const where = positions(b)
  const found: Match[] = []
  const search = (window: Window): void => {
    const match = longestMatch({ a, b }, where, window)
    if (match.size === 0) return
    const { a: i, b: j, size } = match
    if (window.a[0] < i && window.b[0] < j) search({ a: [window.a[0], i], b: [window.b[0], j] })
    found.push(match)
    if (i + size < window.a[1] && j + size < window.b[1])
      search({ a: [i + size, window.a[1]], b: [j + size, window.b[1]] })
  }
  search({ a: [0, a.length], b: [0, b.length] })
  const merged: Match[] = []
  for (const match of found) {
    const last = merged.at(-1)
    if (last !== undefined && last.a + last.size === match.a && last.b + last.size === match.b)
      merged[merged.length - 1] = { ...last, size: last.size + match.size }
    else merged.push(match)
  }
  return [...merged, { a: a.length, b: b.length, size: 0 }]
}

function steps(a: readonly string[], b: readonly string[]): Step[] {
  const out: Step[] = []
  let i = 0
  let j = 0
  for (const match of matches(a, b)) {
    if (i < match.a && j < match.b) out.push({ tag: 'replace', a: [i, match.a], b: [j, match.b] })
    else if (i < match.a) out.push({ tag: 'delete', a: [i, match.a], b: [j, match.b] })
    else if (j < match.b) out.push({ tag: 'insert', a: [i, match.a], b: [j, match.b] })
    i = match.a + match.size
    j = match.b + match.size
    if (match.size > 0) out.push({ tag: 'equal', a: [match.a, i], b: [match.b, j] })
  }
  return out
}

/** Steps around each change, with three lines on both sides. */
function groups(all: readonly Step[]): Step[][] {
  const trimmed = all.map((step, index): Step => {
    if (step.tag !== 'equal') return step
    let { a, b } = step
    if (index === 0) {
      a = [Math.max(a[0], a[1] - CONTEXT), a[1]]
      b = [Math.max(b[0], b[1] - CONTEXT), b[1]]
    }
    if (index === all.length - 1) {
      a = [a[0], Math.min(a[1], a[0] + CONTEXT)]
      b = [b[0], Math.min(b[1], b[0] + CONTEXT)]
    }
    return { tag: 'equal', a, b }
  })
  const out: Step[][] = []
  let group: Step[] = []
  for (const step of trimmed) {
    const { tag, a, b } = step
    if (tag === 'equal' && a[1] - a[0] > CONTEXT * 2) {
      group.push({ tag, a: [a[0], a[0] + CONTEXT], b: [b[0], b[0] + CONTEXT] })
      out.push(group)
      group = [{ tag, a: [a[1] - CONTEXT, a[1]], b: [b[1] - CONTEXT, b[1]] }]
    } else group.push(step)
  }
  if (group.length > 0 && !(group.length === 1 && group[0]?.tag === 'equal')) out.push(group)
  return out
}
