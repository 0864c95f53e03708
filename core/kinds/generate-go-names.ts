/**
 * Prints `go-names.json`: what the schemas do not tell of Kubernetes' Go types, and messages show. `named`: fields whose
 * type is a string by another name; `embedded`: fields that a struct has from another one inside it.
 * Run, with the Go modules k8s.io/api and k8s.io/apimachinery unpacked:
 *   node core/kinds/generate-go-names.ts API_DIR APIMACHINERY_DIR > core/kinds/go-names.json
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

interface Field {
  readonly go: string
  readonly json: string
  readonly type: string
  readonly inline: boolean
}

const strings = new Set<string>()
const structs = new Map<string, readonly Field[]>()
const names = new Map<string, string>()

for (const dir of process.argv.slice(2))
  for (const file of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort(ownNamesLast))
    if (basename(file) === 'types.go' && /^v\d+$/.test(basename(dirname(file))))
      readTypes(readFileSync(join(dir, file), 'utf8'), basename(dirname(file)))

/** flowcontrol has a Subject of its own, which is met more rarely than RBAC's. */
function ownNamesLast(a: string, b: string): number {
  const place = (file: string) => `${Number(file.startsWith('flowcontrol'))}${file}`
  return place(a) < place(b) ? -1 : 1
}

/** Later files do not replace what earlier ones said: core comes before groups that take over its names. */
function readTypes(text: string, version: string): void {
  const bare = text.replace(/\/\/.*$/gm, '')
  for (const [, name = ''] of bare.matchAll(/^type (\w+) string$/gm)) {
    strings.add(name)
    names.set(name, `${version}.${name}`)
  }
  for (const [, name = '', body = ''] of bare.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm))
    if (!structs.has(name)) structs.set(name, body.split('\n').flatMap(readField))
}

function readField(line: string): Field[] {
  const [, go = '', type = '', tag = ''] = /^\s+(?:(\w+)\s+)?([\w.*[\]]+)\s+`json:"([^"]*)"/.exec(line) ?? []
  if (type === '') return []
  const [json = '', ...options] = tag.split(',')
  return [{ go, json, type, inline: options.includes('inline') }]
}

const named: Record<string, string> = {}
const embedded: Record<string, Record<string, string>> = {}
for (const [struct, fields] of structs)
  for (const { go, json, type, inline } of fields) {
    const bare = type.replace(/^[*[\]]+/, '')
    const own = bare.slice(bare.lastIndexOf('.') + 1)
    if (own === 'UID') named[`${struct}.${json}`] = 'types.UID'
    else if (strings.has(own)) named[`${struct}.${json}`] = names.get(own) ?? own
    if (!inline || go !== '' || own === 'TypeMeta') continue
    for (const inner of structs.get(own) ?? []) {
      embedded[struct] ??= {}
      embedded[struct][inner.json] = own
    }
  }
process.stdout.write(`${JSON.stringify({ named, embedded }, null, 1)}\n`)
