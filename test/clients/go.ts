import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/local/go/bin` }

/** Why the Go programs of this folder cannot be built here; undefined: they can. */
export function lacksGo(): string | undefined {
  const { status } = spawnSync('go', ['version'], { env: ENV })
  return status === 0 ? undefined : 'needs Go 1.25 (https://go.dev/dl)'
}

/** Builds one program of controller-runtime/ and returns its path in a folder of its own. */
export function buildGo(name: string): string {
  const out = join(mkdtempSync(join(tmpdir(), 'wherry-test-go-')), name)
  const cwd = join(import.meta.dirname, 'controller-runtime')
  const { status, stderr } = spawnSync('go', ['build', '-o', out, `./${name}`], { cwd, env: ENV, encoding: 'utf8' })
  if (status !== 0) throw new Error(`go build ./${name}: ${stderr}`)
  return out
}
