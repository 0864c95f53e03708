/**
 * What a cold start of the API function costs: the size of its code, the time to load it, and the first answer, each in
 * a fresh process. The first answer includes opening the table and the parameters, in the emulator `ministack` that
 * AWS_ENDPOINT_URL names or that is started here; what Lambda itself needs to start a process comes on top.
 *
 *   node bench/cold-start.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signToken } from '../core/aws-token.ts'
import { bundle } from '../infra/bundle.ts'
import { startEmulator } from '../test/aws/emulator.ts'
import { createTable } from '../test/aws/table.ts'

const RUNS = 7
const MOST_BYTES = 1_500_000
const MOST_IMPORT_MS = 150
const KEYS = { accessKeyId: 'test', secretAccessKey: 'test' }

/** Loads the bundle, asks once, asks again; prints the milliseconds of each. */
const PROBE = `
const start = performance.now()
const cpu = process.cpuUsage()
const { handler } = await import(process.argv[1])
const loaded = performance.now()
const used = process.cpuUsage(cpu)
const event = { httpMethod: 'GET', path: '/api/v1/namespaces/default', headers: { authorization: 'Bearer ' + process.env.PROBE_TOKEN }, requestContext: { stage: 'prod' }, body: null, isBase64Encoded: false }
const context = { getRemainingTimeInMillis: () => 30000 }
const answer = await handler(event, context)
const first = performance.now()
await handler(event, context)
const second = performance.now()
console.log(JSON.stringify({ status: answer.statusCode, body: answer.statusCode === 200 ? '' : answer.body, loaded: loaded - start, cpu: (used.user + used.system) / 1000, first: first - loaded, second: second - first, rss: process.memoryUsage().rss }))
process.exit(0)
`

interface Probe {
  readonly status: number
  readonly loaded: number
  /** Of the processor, for loading: what the time would be on a machine with nothing else to do. */
  readonly cpu: number
  readonly first: number
  readonly second: number
  readonly rss: number
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const row = (what: string, value: string, note = '') => console.log(`${what.padEnd(44)} ${value.padStart(10)}  ${note}`)

const folder = mkdtempSync(join(tmpdir(), 'wherry-cold-start-'))
const named = process.env.AWS_ENDPOINT_URL
const emulator = named === undefined ? await startEmulator('ministack') : undefined
const endpoint = named ?? emulator?.endpoint ?? ''
try {
  const { bytes, entryBytes } = await bundle(join(import.meta.dirname, '..', 'lambdas', 'api', 'handler.ts'), folder)
  const table = `cold-start-${process.pid}`
  await createTable(endpoint, table)
  const token = await signToken({ cluster: 'dev', region: 'us-east-1', credentials: KEYS, now: Date.now() })
  const env = {
    PATH: process.env.PATH,
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    WHERRY_CLUSTER: 'dev',
    WHERRY_TABLE: table,
    WHERRY_PARAMETERS: `/wherry/${table}`,
    WHERRY_ADMIN_ARN: 'arn:aws:iam::000000000000:root',
    PROBE_TOKEN: token
  }
  const probe = (): Probe => {
    const args = ['--input-type=module', '-e', PROBE, join(folder, 'index.mjs')]
    const printed = execFileSync(process.execPath, args, { env, encoding: 'utf8' })
    return JSON.parse(printed.trim().split('\n').at(-1) ?? '{}') as Probe
  }
  const cluster = probe()
  const runs = Array.from({ length: RUNS }, probe)
  if ([cluster, ...runs].some(({ status }) => status !== 200))
    throw new Error(`a request was answered with ${JSON.stringify(cluster)}`)
  const kilobytes = (count: number) => `${(count / 1000).toFixed(0)} kB`
  const ms = (value: number) => `${value.toFixed(0)} ms`
  const loaded = median(runs.map((run) => run.loaded))
  row(
    'code of the function "api", minified',
    kilobytes(bytes),
    bytes < MOST_BYTES ? 'below 1,500 kB' : 'ABOVE 1,500 kB'
  )
  row('of that loaded at a cold start', kilobytes(entryBytes))
  row('import, median', ms(loaded), loaded < MOST_IMPORT_MS ? 'below 150 ms' : 'ABOVE 150 ms')
  row('import, of the processor, median', ms(median(runs.map((run) => run.cpu))))
  row('first answer of a cluster, which makes it', ms(cluster.first), 'keys, about 200 objects')
  row('first answer of a cold function, median', ms(median(runs.map((run) => run.first))))
  row('second answer, median', ms(median(runs.map((run) => run.second))))
  row('memory', `${(median(runs.map((run) => run.rss)) / 1e6).toFixed(0)} MB`)
} finally {
  await emulator?.stop()
  rmSync(folder, { recursive: true, force: true })
}
