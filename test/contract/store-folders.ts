import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ports } from '../../core/ports.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { LmdbBackend } from '../../store/backends/lmdb.ts'

const folders: string[] = []

/** A folder that is removed after the tests of this file. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'wherry-store-'))
  folders.push(path)
  return path
}

export async function temporaryLmdb(ports: Ports = systemPorts(silentLog)): Promise<LmdbBackend> {
  return await LmdbBackend.open({ path: temporaryFolder(), ports })
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
