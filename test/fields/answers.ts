/** How an answer to a field case is kept: a refusal as its text, an object as a digest of what is the same on each run. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'

export interface Answered {
  readonly status: number
  readonly body: unknown
  /** The header of that name, or ''. */
  readonly warning: string
}

const FILE = new URL('answers.json.gz', import.meta.url)

const UID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const TOKEN_VOLUME = /kube-api-access-[a-z0-9]{5}/g

/** What kube-apiserver answered to each case, by its name. */
export function recordedAnswers(): Readonly<Record<string, string>> {
  return JSON.parse(gunzipSync(readFileSync(FILE)).toString())
}

export function writeAnswers(answers: Readonly<Record<string, string>>): void {
  writeFileSync(FILE, gzipSync(JSON.stringify(answers, null, 1), { level: 9 }))
}

/** "422 Invalid: MESSAGE, warnings: ..." or "201 DIGEST, warnings: ...". */
export function lineOf({ status, body, warning }: Answered): string {
  const warnings = warning === '' ? '' : `, warnings: ${warning}`
  const { reason, message, ...rest } = body as { reason?: string; message?: string; kind?: string }
  if (rest.kind === 'Status') return `${status} ${reason}: ${withoutChance(String(message))}${warnings}`
  const digest = createHash('sha256')
    .update(JSON.stringify(comparable(body, '')))
    .digest('hex')
    .slice(0, 12)
  return `${status} ${digest}${warnings}`
}

function withoutChance(text: string): string {
  return text.replace(UID, 'UID').replace(TOKEN_VOLUME, 'kube-api-access-x')
}

/** Given by the server, another on each run. */
const CHANCE = new Set([
  'managedFields',
  'creationTimestamp',
  'uid',
  'clusterIP',
  'clusterIPs',
  'nodePort',
  'healthCheckNodePort'
])
const NOW = /^20\d\d-\d\d-\d\dT/
const FIXED = '2026-01-02T'

/** Fields in the order of their names; times, but those that the case gave, as "now". */
export function comparable(value: unknown, field: string): unknown {
  if (typeof value === 'string') {
    return NOW.test(value) && !value.startsWith(FIXED) ? 'now' : withoutChance(value)
  }
  if (Array.isArray(value)) return value.map((item) => comparable(item, field))
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).filter(([name, one]) => !CHANCE.has(name) || one === 'None')
  return Object.fromEntries(
    fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, comparable(one, name)])
  )
}
