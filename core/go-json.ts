/** Reading JSON: as JSON.parse does, with the errors of Go's encoding/json, which clients of Kubernetes see. */

/** Deeper than any honest object (a CRD's schema nests about 100), shallow enough for recursive code. */
const MAX_DEPTH = 500

export class JsonError extends Error {}

/** Throws JsonError with Go's words. `text` was decoded from UTF-8. */
export function parseJson(text: string): unknown {
  // As many openers as the limit take twice as many characters to close.
  if (text.length > MAX_DEPTH * 2 && tooDeep(text)) throw new JsonError('exceeded max depth')
  try {
    return JSON.parse(text)
  } catch {
    throw new JsonError(syntaxError(text))
  }
}

/** Whether brackets and braces outside of double quotes nest deeper than any honest object's. */
export function tooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at)
        break
      case 0x7b:
      case 0x5b:
        if (++depth > MAX_DEPTH) return true
        break
      case 0x7d:
      case 0x5d:
        depth--
    }
  }
  return false
}

/** The place of the closing quote of the string that begins at `at`, or the text's end. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return end
  }
  return text.length
}

const END = 'unexpected end of JSON input'
const SPACE = /[ \t\r\n]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const WORDS: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' }

/** Where JSON.parse has failed: walks the text as Go's scanner does and says what it says. */
function syntaxError(text: string): string {
  const scanner = new Scanner(text)
  try {
    scanner.value(0)
    scanner.space()
    return scanner.ended ? END : scanner.unexpected('after top-level value')
  } catch (error) {
    if (error instanceof JsonError) return error.message
    throw error
  }
}

class Scanner {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  get ended(): boolean {
    return this.at >= this.text.length
  }

  space(): void {
    SPACE.lastIndex = this.at
    SPACE.exec(this.text)
    this.at = SPACE.lastIndex
  }

  unexpected(where: string): string {
    if (this.ended) return END
    const [character = ''] = this.text.slice(this.at, this.at + 2)
    return `invalid character ${quoteCharacter(character)} ${where}`
  }

  value(depth: number): void {
    this.space()
    const first = this.text[this.at] ?? ''
    if (first === '{') this.object(depth)
    else if (first === '[') this.array(depth)
    else if (first === '"') this.string()
    else if (first === '-' || (first >= '0' && first <= '9')) this.number()
    else if (Object.hasOwn(WORDS, first)) this.word(WORDS[first] ?? '')
    else throw new JsonError(this.unexpected('looking for beginning of value'))
  }

  private object(depth: number): void {
    this.at++
    this.space()
    if (this.take('}')) return
    for (;;) {
      this.space()
      if (this.text[this.at] !== '"') throw new JsonError(this.unexpected('looking for beginning of object key string'))
      this.string()
      this.space()
      if (!this.take(':')) throw new JsonError(this.unexpected('after object key'))
      this.value(depth + 1)
      this.space()
      if (this.take('}')) return
      if (!this.take(',')) throw new JsonError(this.unexpected('after object key:value pair'))
    }
  }

  private array(depth: number): void {
    this.at++
    this.space()
    if (this.take(']')) return
    for (;;) {
      this.value(depth + 1)
      this.space()
      if (this.take(']')) return
      if (!this.take(',')) throw new JsonError(this.unexpected('after array element'))
    }
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false
    this.at++
    return true
  }

  private string(): void {
    this.at++
    for (; ; this.at++) {
      const code = this.text.charCodeAt(this.at)
      if (Number.isNaN(code)) throw new JsonError(END)
      if (code === 0x22) break
      if (code < 0x20) throw new JsonError(this.unexpected('in string literal'))
      if (code === 0x5c) this.escape()
    }
    this.at++
  }

  private escape(): void {
    this.at++
    const kind = this.text[this.at]
    if (kind === undefined) throw new JsonError(END)
    if (kind === 'u') {
      for (let digit = 0; digit < 4; digit++) {
        this.at++
        if (!/^[0-9a-fA-F]$/.test(this.text[this.at] ?? ''))
          throw new JsonError(this.unexpected('in \\u hexadecimal character escape'))
      }
    } else if (!'"\\/bfnrt'.includes(kind)) throw new JsonError(this.unexpected('in string escape code'))
  }

  private number(): void {
    NUMBER.lastIndex = this.at
    if (NUMBER.exec(this.text) === null) {
      this.at++
      throw new JsonError(this.unexpected('in numeric literal'))
    }
    this.at = NUMBER.lastIndex
    const next = this.text[this.at]
    if (next === '.') {
      this.at++
      throw new JsonError(this.unexpected('after decimal point in numeric literal'))
    }
    if (next === 'e' || next === 'E') {
      this.at++
      throw new JsonError(this.unexpected('in exponent of numeric literal'))
    }
  }

  private word(word: string): void {
    for (let index = 0; index < word.length; index++, this.at++) {
      if (this.text[this.at] !== word[index])
        throw new JsonError(this.unexpected(`in literal ${word} (expecting ${quoteCharacter(word[index] ?? '')})`))
    }
  }
}

/** As Go's quoteChar prints one. */
function quoteCharacter(character: string): string {
  if (character === "'") return `'\\''`
  if (character === '"') return `'"'`
  const code = character.codePointAt(0) ?? 0
  const names: Readonly<Record<number, string>> = { 9: '\\t', 10: '\\n', 13: '\\r', 8: '\\b', 12: '\\f', 92: '\\\\' }
  const name = names[code]
  if (name !== undefined) return `'${name}'`
  return code < 0x20 || code === 0x7f ? `'\\x${code.toString(16).padStart(2, '0')}'` : `'${character}'`
}

/** Go's name for a JSON value that is not an object. */
export function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
