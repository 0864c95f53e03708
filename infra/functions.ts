import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { bundle } from './bundle.ts'
import { FUNCTION_NAMES, type FunctionName } from './names.ts'

const home = join(import.meta.dirname, '..')

/** This repository's functions, bundled now. */
export async function functionCode(): Promise<(name: FunctionName) => Code> {
  const bundled = await Promise.all(
    FUNCTION_NAMES.map(async (name) => {
      const entry = join(home, 'lambdas', name, 'handler.ts')
      if (!existsSync(entry)) return [name, Code.fromInline('exports.handler = async () => ({})')] as const
      const { folder } = await bundle(entry, mkdtempSync(join(tmpdir(), `wherry-${name}-`)))
      return [name, Code.fromAsset(folder)] as const
    })
  )
  const codes = new Map<FunctionName, Code>(bundled)
  return (name) => codes.get(name) as Code
}
