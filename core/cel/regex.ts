/** Regular expressions as Go has them: RE2's syntax, and time that grows with the text only. */
import { RE2JS } from 're2js'
import { CelError } from './value.ts'

const compiled = new Map<string, RE2JS>()
/** Patterns stand in schemas and rules; those built at run time must not fill the memory. */
const MOST = 500

/** Throws Error with Go's text: "error parsing regexp: missing closing ): `(`". */
export function compileRegex(pattern: string): RE2JS {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const regex = RE2JS.compile(pattern)
  if (compiled.size >= MOST) compiled.clear()
  compiled.set(pattern, regex)
  return regex
}

function orFail(pattern: string, prefix: string): RE2JS {
  try {
    return compileRegex(pattern)
  } catch (error) {
    throw new CelError(`${prefix}${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Anywhere in the text. */
export function matchesPattern(text: string, pattern: string): boolean {
  return orFail(pattern, '').matcher(text).find()
}

export function findFirst(text: string, pattern: string): string {
  const matcher = orFail(pattern, 'Illegal regex: ').matcher(text)
  return matcher.find() ? (matcher.group() ?? '') : ''
}

/** `most` below 0: all. */
export function findAll(text: string, pattern: string, most: number): string[] {
  const matcher = orFail(pattern, 'Illegal regex: ').matcher(text)
  const found: string[] = []
  while (found.length !== most && matcher.find()) found.push(matcher.group() ?? '')
  return found
}
