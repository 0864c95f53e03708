import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { bundle } from './bundle.ts'
import type { FunctionName } from './names.ts'

const home = join(import.meta.dirname, '..')

/** This repository's functions, bundled now. */
export function functionCode(name: FunctionName): Code {
  const folder = mkdtempSync(join(tmpdir(), `wherry-${name}-`))
  bundle(join(home, 'lambdas', name, 'handler.ts'), folder)
  return Code.fromAsset(folder)
}
