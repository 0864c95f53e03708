/** Values in the words of Go, where Kubernetes' messages show them. */

const PLAIN = /^[ !#-[\]-~]*$/
const PRINTABLE = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v'
}

/** As `%q` and strconv.Quote print a string. */
export function goQuote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  let out = '"'
  for (const character of text) {
    const short = SHORT_ESCAPES[character]
    if (short !== undefined) out += short
    else if (PRINTABLE.test(character)) out += character
    else out += escapeRune(character.codePointAt(0) ?? 0)
  }
  return `${out}"`
}

function escapeRune(code: number): string {
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`
  return `\\U${code.toString(16).padStart(8, '0')}`
}

const HTML = /[<>&\u2028\u2029]/g

/** As encoding/json prints a value: no spaces, and HTML's characters escaped. Keys stay in the value's own order. */
export function goJson(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(
    HTML,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  )
}

/** As `%v` prints JSON that was decoded into interface{}: map[a:1 b:[x y]], keys sorted, strings bare, null <nil>. */
export function goValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`
  if (typeof value !== 'object') return String(value)
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${fields.map(([key, field]) => `${key}:${goValue(field)}`).join(' ')}]`
}
