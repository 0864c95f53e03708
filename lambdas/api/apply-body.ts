/** The body of a server-side apply: YAML, or JSON, which is YAML too; keys that stand twice are found with their lines. */
import type { Node, Pair } from 'yaml'
import { duplicateKeys } from '../../core/duplicate-keys.ts'
import { jsonKind, tooDeep } from '../../core/go-json.ts'
import { goQuote } from '../../core/go-text.ts'
import type { ApiRequest } from '../../core/http.ts'
import { isObject, type JsonObject } from '../../core/json.ts'
import { withoutTimes } from './body.ts'
import { badRequest } from './failures.ts'

export interface Configuration {
  readonly value: JsonObject
  /** 'line 7: key "x" already set in map'. */
  readonly duplicates: readonly string[]
}

const decoder = new TextDecoder()

/** Throws BadRequest. */
export async function configurationOf({ body }: ApiRequest): Promise<Configuration> {
  if (body === undefined) return { value: {}, duplicates: [] }
  if ('value' in body) return { value: asObject(body.value), duplicates: [] }
  const source = decoder.decode(body.bytes)
  if (tooDeep(source)) throw wrongYaml('exceeded max depth')
  const json = parsedJson(source)
  if (json === undefined) return await readYaml(source)
  const value = asObject(json)
  return { value, duplicates: duplicateKeys(source).length === 0 ? [] : (await readYaml(source)).duplicates }
}

function parsedJson(source: string): unknown {
  try {
    return JSON.parse(source)
  } catch {
    return undefined
  }
}

function asObject(value: unknown): JsonObject {
  if (value === null || value === undefined) return {}
  if (isObject(value)) return value
  const why = `json: cannot unmarshal ${jsonKind(value)} into Go value of type map[string]interface {}`
  throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`)
}

function wrongYaml(why: string) {
  return badRequest(`error decoding YAML: error converting YAML to JSON: yaml: ${why}`)
}

/** YAML is heavy and rare: loaded when first met. Aliases are limited, or a few lines could fill the memory. */
async function readYaml(source: string): Promise<Configuration> {
  const { LineCounter, parseDocument, visit, isScalar } = await import('yaml')
  const lines = new LineCounter()
  const options = { version: '1.1', customTags: withoutTimes, logLevel: 'error', uniqueKeys: false } as const
  const document = parseDocument(source, { ...options, lineCounter: lines })
  const [error] = document.errors
  if (error !== undefined) throw wrongYaml(`line ${error.linePos?.[0].line ?? 1}: did not find expected node content`)
  const duplicates: string[] = []
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>()
      for (const { key } of items as Pair<Node>[]) {
        const name = isScalar(key) ? key.value : undefined
        if (name === undefined) continue
        if (seen.has(name)) {
          const { line } = lines.linePos(key.range?.[0] ?? 0)
          duplicates.push(`line ${line}: key ${goQuote(String(name))} already set in map`)
        }
        seen.add(name)
      }
    }
  })
  try {
    return { value: asObject(document.toJS({ maxAliasCount: 100 })), duplicates }
  } catch (failure) {
    if (failure instanceof ReferenceError) throw wrongYaml('document contains excessive aliasing')
    throw failure
  }
}
