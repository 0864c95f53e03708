/** Paths of fields in rules and selectable fields: ".spec.list['a key'].name", checked against a schema. */
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'

export interface FoundPath {
  /** "spec.names[a key]". */
  readonly text: string
  /** The first part. */
  readonly root: string
  readonly schema: JsonSchema
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\'
}

/** `brackets`: whether "['name']" is allowed. */
export function findPath(path: string, schema: JsonSchema, brackets = true): FoundPath | { readonly error: string } {
  const tokens = path.match(/'(?:\\.|[^'\\])*'|[.[\]]|[^.[\]']+/g) ?? []
  let at = schema
  let text = ''
  let root = ''
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? ''
    let name: string | undefined
    if (token === '.') {
      i++
      name = tokens[i]
      if (name === undefined) return { error: 'unexpected end of JSON path' }
    } else if (token === '[') {
      if (!brackets) return { error: 'array notation is not allowed' }
      const quoted = tokens[i + 1]
      if (quoted === undefined) return { error: 'unexpected end of JSON path' }
      if (!/^'.*'$/s.test(quoted) || quoted.length < 2)
        return { error: `expected single quoted string but got ${quoted}` }
      const wrong = /\\[^abfnrtv'\\]/.exec(quoted)
      if (wrong !== null) return { error: `invalid string literal: invalid escape char ${wrong[0]}` }
      name = quoted.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter)
    } else return { error: `expected [ or . but got: ${token}` }
    const step = below(at, name)
    if (step === undefined) return { error: 'does not refer to a valid field' }
    text = step.named ? (text === '' ? name : `${text}.${name}`) : `${text}[${name}]`
    if (root === '') root = name
    at = step.schema
    if (token !== '[') continue
    if (tokens[i + 2] === undefined) return { error: 'unexpected end of JSON path' }
    if (tokens[i + 2] !== ']') return { error: `expected ] but got ${tokens[i + 2]}` }
    i += 2
  }
  return { text, root, schema: at }
}

function below(schema: JsonSchema, name: string): { schema: JsonSchema; named: boolean } | undefined {
  if (schema.properties !== undefined) {
    const found = propertySchema(schema, name)
    return found === undefined ? undefined : { schema: found, named: true }
  }
  const additional = additionalSchema(schema)
  return additional === undefined ? undefined : { schema: additional, named: false }
}

/** The path as messages write it; "" where it is none. */
export function fieldPathText(path: string, schema: JsonSchema): string {
  const found = findPath(path, schema)
  return 'error' in found ? '' : found.text
}
