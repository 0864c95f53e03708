import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bundle } from '../infra/bundle.ts'

const run = promisify(execFile)

// Splitting code changes the order in which it runs: what is loaded when first used must not rely on what came before.

test('whatever the function "api" loads lazily can be the first thing that it loads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-bundle-'))
  try {
    const entry = join(import.meta.dirname, '..', 'lambdas', 'api', 'handler.ts')
    const { bytes, entryBytes } = await bundle(entry, folder)
    expect(entryBytes).toBeLessThan(1_500_000)
    expect(bytes).toBeGreaterThan(entryBytes)
    const files = (await readdir(folder)).filter((name) => !name.startsWith('chunk-'))
    expect(files).toContain('index.mjs')
    for (const name of files) {
      const program = 'await import(process.argv[1]); process.exit(0)'
      await run(process.execPath, ['--input-type=module', '-e', program, join(folder, name)])
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}, 120_000)
