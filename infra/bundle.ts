/** One function's code as Lambda loads it. */
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { build, type Plugin } from 'esbuild'

export interface Bundle {
  /** The folder to upload: index.mjs and what it loads later. */
  readonly folder: string
  /** Of all files. */
  readonly bytes: number
  /** Of index.mjs and all that is loaded with it, before anything is asked. */
  readonly entryBytes: number
}

/** Packages of CommonJS ask for Node's own modules by `require`. */
const REQUIRE = "import{createRequire as wherryRequire}from'node:module';const require=wherryRequire(import.meta.url);"

/**
 * Bundles an entry file (lambdas/api/handler.ts) into `outDir`, which is emptied: ES modules for Node 24, minified. What
 * is imported lazily comes in files of its own, so that a cold start reads none of it. The handler is "index.handler".
 */
export async function bundle(entry: string, outDir: string): Promise<Bundle> {
  await rm(outDir, { recursive: true, force: true })
  await mkdir(outDir, { recursive: true })
  const { metafile } = await build({
    entryPoints: { index: entry },
    outdir: outDir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    // The addon of LMDB is the one-machine cluster's; none of the functions opens it.
    external: ['lmdb'],
    plugins: [compactJson, lambdaCredentials, noBrowser, reflectFirst],
    banner: { js: REQUIRE },
    // X.509's library wants it first, and esbuild keeps no order among what several files of a split bundle share.
    inject: [createRequire(import.meta.url).resolve('reflect-metadata')],
    legalComments: 'none',
    metafile: true,
    logLevel: 'error'
  })
  const { outputs } = metafile
  const loaded = new Set<string>()
  const load = (path: string) => {
    if (loaded.has(path)) return
    loaded.add(path)
    for (const { path: next, kind } of outputs[path]?.imports ?? []) if (kind === 'import-statement') load(next)
  }
  for (const path of Object.keys(outputs)) if (path.endsWith('index.mjs')) load(path)
  const entryBytes = [...loaded].reduce((sum, path) => sum + (outputs[path]?.bytes ?? 0), 0)
  return { folder: outDir, bytes: await folderBytes(outDir), entryBytes }
}

/** JSON from which on it is worth a millisecond to unpack it. */
const COMPACT_FROM_BYTES = 15_000

/** The kinds' schemas are a third of all code, and shrink to a third. */
const compactJson: Plugin = {
  name: 'compact-json',
  setup(of) {
    of.onLoad({ filter: /\.json$/ }, async ({ path }) => {
      const text = JSON.stringify(JSON.parse(await readFile(path, 'utf8')))
      if (text.length < COMPACT_FROM_BYTES) return undefined
      const packed = brotliCompressSync(text).toString('base64')
      const unpack = `JSON.parse(brotliDecompressSync(Buffer.from('${packed}','base64')).toString())`
      return { contents: `import{brotliDecompressSync}from'node:zlib';export default ${unpack}`, loader: 'js' }
    })
  }
}

/** Lambda hands a function its role's credentials in the environment: no profiles, logins or metadata services. */
const lambdaCredentials: Plugin = {
  name: 'lambda-credentials',
  setup(of) {
    of.onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, ({ resolveDir }) => {
      return { path: 'environment', namespace: 'lambda-credentials', pluginData: { resolveDir } }
    })
    of.onLoad({ filter: /.*/, namespace: 'lambda-credentials' }, ({ pluginData }) => ({
      contents: "import{fromEnv}from'@aws-sdk/credential-provider-env';export const defaultProvider=()=>fromEnv()",
      resolveDir: (pluginData as { resolveDir: string }).resolveDir
    }))
  }
}

/** Of the SDK's user agent, which is Node's here. */
const noBrowser: Plugin = {
  name: 'no-browser',
  setup(of) {
    of.onResolve({ filter: /^bowser$/ }, () => ({ path: 'bowser', namespace: 'no-browser' }))
    of.onLoad({ filter: /.*/, namespace: 'no-browser' }, () => ({ contents: 'export default {}' }))
  }
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/**
 * tsyringe (of @peculiar/x509) looks for the reflect polyfill as it is loaded. The polyfill is CommonJS, which a bundle
 * runs where it is imported: after all ES modules that are imported beside it. So tsyringe imports it itself.
 */
const reflectFirst: Plugin = {
  name: 'reflect-first',
  setup: (builder) => {
    builder.onLoad({ filter: /tsyringe[\\/]dist[\\/].*[\\/]index\.js$/ }, async ({ path }) => {
      return { contents: `import 'reflect-metadata'\n${await readFile(path, 'utf8')}`, loader: 'js' }
    })
  }
}
