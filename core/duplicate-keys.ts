/** Keys that stand twice in one object of a JSON text: JSON.parse keeps the last and tells nobody. */

interface Frame {
  /** Of an object: the keys so far. undefined for a list. */
  readonly keys: Set<string> | undefined
  /** Where this value stands in its parent: ".spec", "[0]". */
  readonly name: string
  index: number
}

const QUOTE = 34
const BACKSLASH = 92

/**
 * The paths of keys that came again ("spec.containers[0].name"), each once, in the text's order, at most 100 as in
 * Kubernetes. One pass over the characters without recursion; `text` must be good JSON.
 */
export function duplicateKeys(text: string): string[] {
  const found = new Set<string>()
  const stack: Frame[] = []
  let top: Frame | undefined
  let key = ''
  /** A string is a key when it stands after "{" or after "," in an object. */
  let awaitsKey = false
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        const end = stringEnd(text, i)
        if (awaitsKey && top?.keys !== undefined) {
          key = readKey(text, i, end)
          if (top.keys.has(key) && found.size < 100) found.add(pathOf(stack, key))
          top.keys.add(key)
          awaitsKey = false
        }
        i = end
        break
      }
      case 123: // {
      case 91: {
        // [
        const object = text.charCodeAt(i) === 123
        const name = top === undefined ? '' : top.keys === undefined ? `[${top.index}]` : `.${key}`
        top = { keys: object ? new Set() : undefined, name, index: 0 }
        stack.push(top)
        awaitsKey = object
        break
      }
      case 125: // }
      case 93: // ]
        stack.pop()
        top = stack.at(-1)
        awaitsKey = false
        break
      case 44: // ,
        if (top === undefined) break
        if (top.keys === undefined) top.index++
        else awaitsKey = true
        break
      default:
    }
  }
  return [...found]
}

function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0 && escaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? text.length : end
}

function escaped(text: string, at: number): boolean {
  let slashes = 0
  while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++
  return slashes % 2 === 1
}

function readKey(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  return raw.includes('\\') ? String(JSON.parse(text.slice(start, end + 1))) : raw
}

function pathOf(stack: readonly Frame[], key: string): string {
  return `${stack.map((frame) => frame.name).join('')}.${key}`.replace(/^\./, '')
}
