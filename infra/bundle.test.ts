import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** In a process of its own, as Lambda has it: bundles a function and loads all its files, those that are loaded later, too. */
const LOAD_ALL = `
const { bundle } = await import(process.argv[1])
await bundle(process.argv[2], process.argv[3])
const { readdirSync } = await import('node:fs')
for (const file of readdirSync(process.argv[3]))
  if (file.endsWith('.mjs')) await import(process.argv[3] + '/' + file).catch((error) => console.log(file + ' ' + error.message))
process.exit(0)
`

test.each(['api', 'reconciler', 'scheduler'])(
  'every file of the function %s loads',
  async (name) => {
    const folder = mkdtempSync(join(tmpdir(), 'wherry-bundle-'))
    try {
      const entry = join(import.meta.dirname, '..', 'lambdas', name, 'handler.ts')
      const args = ['--no-warnings', '--input-type=module', '-e', LOAD_ALL, join(import.meta.dirname, 'bundle.ts')]
      const env = { ...process.env, WHERRY_CLUSTER: 'test', WHERRY_TABLE: 'test' }
      const { stdout } = await promisify(execFile)(process.execPath, [...args, entry, folder], { env })
      expect(stdout).toBe('')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  60_000
)
