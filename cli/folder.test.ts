import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { loadOrCreateKeys } from '../lambdas/api/keys.ts'
import { readCluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { fileFailure, makeFolder, writeAtomically } from './files.ts'
import { damagedKeys } from './key-files.ts'
import { pathsOf, quoted } from './paths.ts'
import { requirePort } from './port.ts'
import { isAlive, lockFolder, readRunning, startTicks, writeRunning } from './running.ts'

// What a data folder holds, and what can be wrong with it.

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wherry-folder-'))
})

afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

const ignoring = (error: unknown) => (error instanceof CliError ? `${error.message} / ${error.hint}` : String(error))
async function failureOf(work: () => unknown): Promise<string> {
  try {
    await work()
    return ''
  } catch (error) {
    return ignoring(error)
  }
}

test('a folder is made with its parents, for its owner only', () => {
  makeFolder(join(dir, 'a', 'b'))
  expect([join(dir, 'a'), join(dir, 'a', 'b')].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700])
})

test.each([
  ['a file', '/etc/passwd', /is not a folder/],
  ['below a file', '/etc/passwd/x', /is not a folder/],
  ['where the kernel makes the folders', '/proc/wherry/x', /no folder can be made at \/proc\/wherry/]
] as const)('no folder can be made: %s', async (_what, path, expected) => {
  expect(await failureOf(() => makeFolder(path))).toMatch(expected)
})

test('a file is replaced whole, private, and leaves no draft', () => {
  const file = join(dir, 'x')
  writeAtomically(file, 'one')
  writeAtomically(file, 'two')
  expect(readdirSync(dir)).toEqual(['x'])
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test.each([
  ['ENOSPC', /no space left on the disk of \/data/],
  ['EROFS', /a read-only file system holds \/data/],
  ['EACCES', /no permission to use \/data/]
])('%s is told in words', (code, expected) => {
  const error = Object.assign(new Error(code), { code, path: '/data' })
  expect(ignoring(fileFailure(error))).toMatch(expected)
})

test('paths are the same through a link and from elsewhere', () => {
  const link = `${dir}-link`
  symlinkSync(dir, link)
  try {
    expect(pathsOf(join(link, 'not', 'there')).dir).toBe(pathsOf(join(dir, 'not', 'there')).dir)
  } finally {
    rmSync(link)
  }
})

test.each([
  ['/var/lib/wherry', '/var/lib/wherry'],
  ['/with space', "'/with space'"],
  ["/it's", `'/it'\\''s'`]
])('%s is quoted for a shell', (text, expected) => {
  expect(quoted(text)).toBe(expected)
  expect(execFileSync('sh', ['-c', `printf %s ${quoted(text)}`]).toString()).toBe(text)
})

test.each([
  ['nothing', undefined, ''],
  ['no JSON', '{', /cluster.json is damaged.*down --purge --data-dir/],
  ['another JSON', '{"name":"wherry"}', /cluster.json is damaged/],
  ['a list', '[]', /cluster.json is damaged/]
])('a cluster.json with %s', async (_what, text, expected) => {
  if (text !== undefined) writeFileSync(join(dir, 'cluster.json'), text)
  expect(await failureOf(() => readCluster(pathsOf(dir)))).toMatch(expected)
})

test('run.json counts as long as that very process lives', () => {
  const paths = pathsOf(dir)
  expect(readRunning(paths)).toBeUndefined()
  writeRunning(paths, { url: 'https://127.0.0.1:1', controlPlaneOnly: true, ready: true })
  expect(readRunning(paths)?.pid).toBe(process.pid)
  writeFileSync(paths.run, JSON.stringify({ pid: process.pid, startTicks: '1' }))
  expect(readRunning(paths)).toBeUndefined()
  writeFileSync(paths.run, 'garbage')
  expect(readRunning(paths)).toBeUndefined()
})

test('a process is not alive once it is a zombie', async () => {
  const child = spawn('sleep', ['60'])
  await once(child, 'spawn')
  const record = { pid: child.pid ?? 0, startTicks: startTicks(child.pid ?? 0) ?? '' }
  expect(isAlive(record)).toBe(true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(isAlive(record)).toBe(false)
})

test('one process holds a folder', async () => {
  const paths = pathsOf(dir)
  const lock = await lockFolder(paths)
  expect(await failureOf(() => lockFolder(paths))).toMatch(
    /already in use by a .\/wherry that is starting or stopping it/
  )
  writeRunning(paths, { url: 'https://127.0.0.1:7', controlPlaneOnly: true, ready: false })
  expect(await failureOf(() => lockFolder(paths))).toContain(
    `by process ${process.pid} (https://127.0.0.1:7, starting)`
  )
  await new Promise((resolve) => lock.close(resolve))
  const again = await lockFolder(paths)
  await new Promise((resolve) => again.close(resolve))
})

test('who has a port is named', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const { port } = server.address() as { port: number }
  const failure = await failureOf(() => requirePort(port))
  await new Promise((resolve) => server.close(resolve))
  expect(failure).toContain(`port ${port} is already taken by process ${process.pid} (`)
  expect(await failureOf(() => requirePort(port))).toBe('')
})

test('damaged keys are named, sound ones are not', async () => {
  const keys = join(dir, 'keys')
  mkdirSync(keys)
  await loadOrCreateKeys(keys, { hosts: [], ports: systemPorts(silentLog) })
  expect(damagedKeys(keys)).toEqual([])
  for (const name of ['ca.crt', 'sa.key', 'sa.pub', 'user-token.key', 'admin.key']) writeFileSync(join(keys, name), 'x')
  chmodSync(join(keys, 'admin.key'), 0o600)
  expect(damagedKeys(keys).map(({ file }) => file.slice(keys.length + 1))).toEqual([
    'admin.key',
    'ca.crt',
    'sa.key',
    'sa.pub',
    'user-token.key'
  ])
  expect(damagedKeys(join(dir, 'nowhere'))).toEqual([])
})
