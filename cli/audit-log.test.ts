import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { fakePorts } from '../test/fake-ports.ts'
import { openAuditLog } from './audit-log.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wherry-audit-'))
})
afterEach(() => rm(folder, { recursive: true }))

const text = async (name: string) => await readFile(join(folder, name), 'utf8')

test('events are lines, in their order; a file that is there goes on', async () => {
  const options = { file: join(folder, 'audit.log'), maxBytes: 1000, backups: 2, ports: fakePorts() }
  const log = openAuditLog(options)
  for (const line of ['a', 'b']) log.write(line)
  await log.flush()
  const next = openAuditLog(options)
  next.write('c')
  await next.flush()
  expect(await text('audit.log')).toBe('a\nb\nc\n')
})

test('a file that is full is put aside, and only so many are kept', async () => {
  const ports = fakePorts()
  const log = openAuditLog({ file: join(folder, 'audit.log'), maxBytes: 10, backups: 2, ports })
  for (const line of ['aaaa', 'bbbb', 'cccc', 'dddd', 'eeee', 'ffff', 'gggg']) {
    log.write(line)
    await log.flush()
    await ports.advance(1000)
  }
  const names = (await readdir(folder)).sort()
  expect(names).toHaveLength(3)
  expect(await text('audit.log')).toBe('gggg\n')
  expect(await Promise.all(names.slice(0, 2).map(text))).toEqual(['cccc\ndddd\n', 'eeee\nffff\n'])
})
