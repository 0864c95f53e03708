import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ran } from './pod/fixture.ts'
import { terminationMessage } from './termination-message.ts'

const dir = mkdtempSync(join(tmpdir(), 'wherry-message-'))
const file = join(dir, 'message')
const logPath = join(dir, 'log')
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const line = (text: string, tag = 'F') => `2026-01-01T00:00:00.000000000Z stdout ${tag} ${text}\n`
const numbered = Array.from({ length: 100 }, (_, index) => `line ${index}`)

interface Case {
  readonly message?: string
  readonly log?: string
  readonly policy?: string
  readonly exitCode?: number
  readonly runtime?: string
}

test.each<[string, Case, string]>([
  ['the file', { message: 'm' }, 'm'],
  ['its end', { message: `a${'m'.repeat(4096)}` }, 'm'.repeat(4096)],
  ['not the log', { log: line('l') }, ''],
  ['the log where it is asked for', { log: line('l'), policy: 'FallbackToLogsOnError' }, 'l\n'],
  ['but the file first', { message: 'm', log: line('l'), policy: 'FallbackToLogsOnError' }, 'm'],
  ['and only after a failure', { log: line('l'), policy: 'FallbackToLogsOnError', exitCode: 0 }, ''],
  [
    'the last 80 lines',
    { log: numbered.map((text) => line(text)).join(''), policy: 'FallbackToLogsOnError' },
    `${numbered.slice(20).join('\n')}\n`
  ],
  [
    'the last 2048 bytes, a last line without its end',
    { log: line('x'.repeat(3000)) + line('end', 'P'), policy: 'FallbackToLogsOnError' },
    `${'x'.repeat(2044)}\nend`
  ],
  ['what the runtime says, alone', { runtime: 'r' }, 'r'],
  ['what the runtime says, before it', { runtime: 'r', message: 'm' }, 'r: m']
])('%s', async (_, { message = '', log = '', policy = 'File', exitCode = 1, runtime = '' }, expected) => {
  writeFileSync(file, message)
  writeFileSync(logPath, log)
  const annotations = {
    'wherry.io/termination-message-file': file,
    'io.kubernetes.container.terminationMessagePolicy': policy
  }
  const container = ran('c', { state: 'exited', exitCode, message: runtime, annotations, logPath })
  expect(await terminationMessage(container)).toBe(expected)
})
