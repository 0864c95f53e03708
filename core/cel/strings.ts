/** cel-go's extended functions on strings (ext.Strings, version 2), and regular expressions. Positions count characters. */
import { global, member, type Overload } from './declare.ts'
import { formatString } from './format-string.ts'
import { findAll, findFirst, matchesPattern } from './regex.ts'
import { BOOL, DYN, INT, listOf, STRING } from './type.ts'
import { CelError, List, type Value } from './value.ts'

/** The characters of a text; plain ASCII needs no splitting. */
function characters(text: string): string | readonly string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  return /^[\x00-\x7f]*$/.test(text) ? text : Array.from(text)
}

function joined(part: string | readonly string[]): string {
  return typeof part === 'string' ? part : part.join('')
}

function outOfRange(index: number): never {
  throw new CelError(`index out of range: ${index}`)
}

function charAt(text: string, index: number): string {
  const all = characters(text)
  if (index < 0 || index > all.length) outOfRange(index)
  return all[index] ?? ''
}

function indexOf(text: string, part: string, from: number): bigint {
  if (part === '') return BigInt(from)
  if (from < 0) outOfRange(from)
  const all = characters(text)
  if (from >= all.length) return -1n
  if (typeof all === 'string') return BigInt(all.indexOf(part, from))
  const found = text.indexOf(part, joined(all.slice(0, from)).length)
  return found < 0 ? -1n : BigInt(Array.from(text.slice(0, found)).length)
}

function lastIndexOf(text: string, part: string, from: number | undefined): bigint {
  const all = characters(text)
  if (part === '') return BigInt(from ?? all.length)
  if (from !== undefined && from < 0) outOfRange(from)
  if (from === undefined && Buffer.byteLength(text) < Buffer.byteLength(part)) return -1n
  if (from !== undefined && from >= all.length) return -1n
  const found = text.lastIndexOf(part, from === undefined ? undefined : joined(all.slice(0, from)).length)
  return found < 0 ? -1n : BigInt(Array.from(text.slice(0, found)).length)
}

function substring(text: string, start: number, end: number | undefined): string {
  const all = characters(text)
  const last = end ?? all.length
  if (end !== undefined && start > end) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`)
  if (start < 0 || start > all.length) outOfRange(start)
  if (last < 0 || last > all.length) outOfRange(last)
  return joined(all.slice(start, last))
}

/** strings.Replace: `most` below 0 is all. */
function replace(text: string, [old, by]: readonly [string, string], most: number): string {
  if (most < 0) return old === '' ? surrounded(text, by, Number.MAX_SAFE_INTEGER) : text.replaceAll(old, () => by)
  if (old === '') return surrounded(text, by, most)
  const parts = text.split(old)
  return parts.map((part, i) => (i === 0 ? part : (i <= most ? by : old) + part)).join('')
}

function surrounded(text: string, by: string, most: number): string {
  const all = Array.from(text)
  const made = all.map((letter, i) => (i < most ? by : '') + letter).join('')
  return all.length < most ? made + by : made
}

/** strings.SplitN: the last part holds the rest; `most` below 0 is all. */
function split(text: string, separator: string, most: number): List {
  if (most === 0) return new List([])
  const parts = separator === '' ? Array.from(text) : text.split(separator)
  if (most < 0 || parts.length <= most) return new List(parts)
  return new List([...parts.slice(0, most - 1), parts.slice(most - 1).join(separator)])
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"'
}

function quote(text: string): string {
  return `"${Array.from(text.toWellFormed(), (letter) => ESCAPES[letter] ?? letter).join('')}"`
}

function join(list: Value, separator: string): string {
  if (!(list instanceof List)) throw new CelError('no such overload')
  for (const item of list.items)
    if (typeof item !== 'string') throw new CelError(`join: invalid input: ${String(item)}`)
  return list.items.join(separator)
}

const text = (value: Value | undefined): string => (typeof value === 'string' ? value : '')
const count = (value: Value | undefined): number => Number(typeof value === 'bigint' ? value : 0n)

/** strings.TrimSpace: Unicode's white space, as Go has it. */
const trim = (value: string): string =>
  value.replace(/^[\s\u0085]+|[\s\u0085]+$/g, '').replace(/^\ufeff+|\ufeff+$/g, '')

export const stringFunctions: Readonly<Record<string, readonly Overload[]>> = {
  charAt: [member('string_char_at_int', [STRING, INT, STRING], ([s, at]) => charAt(text(s), count(at)))],
  indexOf: [
    member('string_index_of_string', [STRING, STRING, INT], ([s, part]) => indexOf(text(s), text(part), 0)),
    member('string_index_of_string_int', [STRING, STRING, INT, INT], ([s, part, from]) =>
      indexOf(text(s), text(part), count(from))
    )
  ],
  lastIndexOf: [
    member('string_last_index_of_string', [STRING, STRING, INT], ([s, part]) =>
      lastIndexOf(text(s), text(part), undefined)
    ),
    member('string_last_index_of_string_int', [STRING, STRING, INT, INT], ([s, part, from]) =>
      lastIndexOf(text(s), text(part), count(from))
    )
  ],
  lowerAscii: [
    member('string_lower_ascii', [STRING, STRING], ([s]) => text(s).replace(/[A-Z]+/g, (part) => part.toLowerCase()))
  ],
  upperAscii: [
    member('string_upper_ascii', [STRING, STRING], ([s]) => text(s).replace(/[a-z]+/g, (part) => part.toUpperCase()))
  ],
  replace: [
    member('string_replace_string_string', [STRING, STRING, STRING, STRING], ([s, old, by]) =>
      replace(text(s), [text(old), text(by)], -1)
    ),
    member('string_replace_string_string_int', [STRING, STRING, STRING, INT, STRING], ([s, old, by, most]) =>
      replace(text(s), [text(old), text(by)], count(most))
    )
  ],
  split: [
    member('string_split_string', [STRING, STRING, listOf(STRING)], ([s, separator]) =>
      split(text(s), text(separator), -1)
    ),
    member('string_split_string_int', [STRING, STRING, INT, listOf(STRING)], ([s, separator, most]) =>
      split(text(s), text(separator), count(most))
    )
  ],
  substring: [
    member('string_substring_int', [STRING, INT, STRING], ([s, start]) => substring(text(s), count(start), undefined)),
    member('string_substring_int_int', [STRING, INT, INT, STRING], ([s, start, end]) =>
      substring(text(s), count(start), count(end))
    )
  ],
  trim: [member('string_trim', [STRING, STRING], ([s]) => trim(text(s)))],
  format: [
    member('string_format', [STRING, listOf(DYN), STRING], ([s, args]) =>
      formatString(text(s), args instanceof List ? args.items : [])
    )
  ],
  'strings.quote': [global('strings_quote', [STRING, STRING], ([s]) => quote(text(s)))],
  join: [
    member('list_join', [listOf(STRING), STRING], ([list = null]) => join(list, '')),
    member('list_join_string', [listOf(STRING), STRING, STRING], ([list = null, separator]) =>
      join(list, text(separator))
    )
  ],
  matches: [
    global('matches', [STRING, STRING, BOOL], ([s, pattern]) => matchesPattern(text(s), text(pattern))),
    member('matches_string', [STRING, STRING, BOOL], ([s, pattern]) => matchesPattern(text(s), text(pattern)))
  ],
  find: [member('string_find_string', [STRING, STRING, STRING], ([s, pattern]) => findFirst(text(s), text(pattern)))],
  findAll: [
    member(
      'string_find_all_string',
      [STRING, STRING, listOf(STRING)],
      ([s, pattern]) => new List(findAll(text(s), text(pattern), -1))
    ),
    member(
      'string_find_all_string_int',
      [STRING, STRING, INT, listOf(STRING)],
      ([s, pattern, most]) => new List(findAll(text(s), text(pattern), count(most)))
    )
  ]
}
