import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { bundle } from './bundle.ts'
import { FUNCTION_NAMES, type FunctionName } from './names.ts'
import { nodeAsset } from './node-asset.ts'
import type { Architecture } from './nodes.ts'

const home = join(import.meta.dirname, '..')

export interface FunctionCode {
  readonly code: (name: FunctionName) => Code
  /** Another one for other code. */
  readonly version: string
}

/** This repository's functions, bundled now. */
export async function functionCode(): Promise<FunctionCode> {
  const folders = await Promise.all(
    FUNCTION_NAMES.map(async (name) => {
      const folder = mkdtempSync(join(tmpdir(), `wherry-${name}-`))
      await bundle(join(home, 'lambdas', name, 'handler.ts'), folder)
      return [name, folder] as const
    })
  )
  const hash = createHash('sha256')
  for (const [, folder] of folders) {
    for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)))
  }
  const codes = new Map(folders.map(([name, folder]) => [name, Code.fromAsset(folder)]))
  return { code: (name) => codes.get(name) as Code, version: hash.digest('hex').slice(0, 16) }
}

/** This repository's agent with its Node.js, put together now. */
export async function agentFolder(architecture: Architecture): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-agent-'))
  // The CDK has its own copy by then; this one is large.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await nodeAsset(folder, architecture)
  return folder
}
