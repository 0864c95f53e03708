import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from '@jest/globals'
import { bundle } from '../infra/bundle.ts'

const api = join(import.meta.dirname, '..', 'lambdas', 'api')
const folder = mkdtempSync(join(tmpdir(), 'wherry-bundle-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('what several lazily loaded files share works in a bundle, too: X.509 needs another package before it', async () => {
  const entry = join(folder, 'entry.ts')
  const lazy = ['certificates.ts', 'certificate-requests.ts'].map((file) => `import('${join(api, file)}')`)
  writeFileSync(entry, `export const handler = async () => (await Promise.all([${lazy}])).map(Object.keys)`)
  const out = join(folder, 'out')
  await bundle(entry, out)
  const script = `import('${join(out, 'index.mjs')}').then((m) => m.handler()).then((made) => console.log(made.flat().join()))`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script])
  expect(stdout).toContain('issueCertificate')
  expect(stdout).toContain('signRequest')
})
