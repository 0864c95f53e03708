/**
 * Prints `protobuf.json`: for each schema of schemas.json the numbers of its fields in Kubernetes' protobuf encoding. A
 * number that leads to an object holds a message whose fields are the outer one's own (Go's embedded structs).
 * Run, with the Go modules k8s.io/api, k8s.io/apimachinery, k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator
 * unpacked:
 *   node core/kinds/generate-protobuf.ts DIR... > core/kinds/protobuf.json
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import schemas from './schemas.json' with { type: 'json' }
import { type Schema, schemaOf } from './schemas.ts'

interface Field {
  readonly name: string
  readonly type: string
  readonly number: string
}
type Numbers = { [number: string]: string | Numbers }

const messages = new Map<string, readonly Field[]>()
for (const dir of process.argv.slice(2))
  for (const file of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('generated.proto')) readMessages(readFileSync(join(dir, file), 'utf8'))

const table: Record<string, Numbers> = {}
for (const name of Object.keys(schemas)) {
  const fields = messages.get(name.replace(/^io\.k8s\./, 'k8s.io.').replaceAll('-', '_'))
  const properties = schemaOf(name).properties
  if (fields === undefined || properties === undefined) continue
  table[name] = numbersOf(name, fields, properties)
}
const lines = Object.entries(table).map(([name, numbers]) => `${JSON.stringify(name)}:${JSON.stringify(numbers)}`)
process.stdout.write(`{\n${lines.join(',\n')}\n}\n`)

function readMessages(text: string): void {
  const bare = text.replace(/\/\/.*$/gm, '')
  const prefix = /^package (\S+);/m.exec(bare)?.[1] ?? ''
  for (const [, name = '', body = ''] of bare.matchAll(/^message (\w+) \{([^}]*)\}/gm)) {
    const fields = [...body.matchAll(/(?:optional|repeated)?\s*(map<[^>]*>|[\w.]+) (\w+) = (\d+);/g)].map(
      ([, type = '', field = '', number = '']) => ({ type: qualified(type, prefix), name: field, number })
    )
    messages.set(`${prefix}.${name}`, fields)
  }
}

function qualified(type: string, prefix: string): string {
  if (type.startsWith('.')) return type.slice(1)
  return type.includes('.') ? type : `${prefix}.${type}`
}

function numbersOf(owner: string, fields: readonly Field[], properties: NonNullable<Schema['properties']>): Numbers {
  const numbers: Numbers = {}
  for (const { name, type, number } of fields) {
    const inner = messages.get(type)
    const json = name in properties ? name : Object.keys(properties).find((key) => plain(key) === plain(name))
    if (json !== undefined) numbers[number] = json
    else if (inner !== undefined) numbers[number] = numbersOf(owner, inner, properties)
    else process.stderr.write(`${owner}: no property for ${name}\n`)
  }
  return numbers
}

/** A name of JSON may have characters that one of a message has not ("$ref", "x-kubernetes-list-type"). */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}
