import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where Go's own installer puts it comes first: a distribution's may be years older. */
const ENV = { ...process.env, PATH: `/usr/local/go/bin:${process.env.PATH}` }
/** As go.mod says; Go from 1.21 on fetches the one that a module asks for. */
const LEAST_MINOR = 21

/** Why the Go programs of this folder cannot be built here; undefined: they can. */
export function lacksGo(): string | undefined {
  const { stdout } = spawnSync('go', ['version'], { env: ENV, encoding: 'utf8' })
  const minor = /go1\.(\d+)/.exec(stdout ?? '')?.[1]
  return Number(minor ?? 0) >= LEAST_MINOR ? undefined : `needs Go 1.${LEAST_MINOR} or newer (https://go.dev/dl)`
}

/** Builds one program of controller-runtime/ and returns its path in a folder of its own. */
export function buildGo(name: string): string {
  const out = join(mkdtempSync(join(tmpdir(), 'wherry-test-go-')), name)
  const cwd = join(import.meta.dirname, 'controller-runtime')
  const { status, stderr } = spawnSync('go', ['build', '-o', out, `./${name}`], { cwd, env: ENV, encoding: 'utf8' })
  if (status !== 0) throw new Error(`go build ./${name}: ${stderr}`)
  return out
}
