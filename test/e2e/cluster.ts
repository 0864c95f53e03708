import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildBusyboxImage, DEMO_IMAGE } from '../../cli/busybox-image.ts'
import { bundledTool } from '../../cli/kubectl.ts'

const HOME = join(import.meta.dirname, '..', '..')
export const WHERRY = join(HOME, 'wherry')
export const IMAGE = DEMO_IMAGE

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. `input` goes to its standard input; after `timeoutMs` it is killed (exit code -1). */
export async function execute(
  program: string,
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {}
): Promise<Outcome> {
  const child = spawn(program, args, { env: { ...process.env, ...options.env } })
  const texts = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    texts.stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    texts.stderr += chunk.toString()
  })
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exit) => resolve(exit ?? -1))
  })
  clearTimeout(timer)
  return { code, ...texts }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Tries until `check` returns something but undefined or false. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  timeoutMs = 30_000
): Promise<T> {
  const end = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < end) {
    try {
      const value = await check()
      if (value !== undefined && value !== false) return value
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}${last === undefined ? '' : ` (${String(last)})`}`)
}

/** Real kubectl on a cluster, wherever that is. */
export class KubectlRunner {
  /** A folder of the test's own. */
  readonly dir: string
  private readonly program: string
  private readonly kubeconfig: string

  constructor(options: { dir: string; program: string; kubeconfig: string }) {
    this.dir = options.dir
    this.program = options.program
    this.kubeconfig = options.kubeconfig
  }

  async kubectl(args: readonly string[], input?: string): Promise<Outcome> {
    const env = { KUBECONFIG: this.kubeconfig, HOME: this.dir, KUBECTL_KUBERC: 'false' }
    return await execute(this.program, args, { env, timeoutMs: 90_000, ...(input === undefined ? {} : { input }) })
  }

  /** The output of a kubectl that must succeed: `k('get', 'pods')`. */
  async k(...args: string[]): Promise<string> {
    const outcome = await this.kubectl(args)
    if (outcome.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${outcome.stderr}${outcome.stdout}`)
    return outcome.stdout
  }

  async apply(manifest: string): Promise<string> {
    const outcome = await this.kubectl(['apply', '-f', '-'], manifest)
    if (outcome.code !== 0) throw new Error(`kubectl apply: ${outcome.stderr}${outcome.stdout}`)
    return outcome.stdout
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.k(...args, '-o', 'json')) as T
  }

  writeFile(name: string, text: string): string {
    const file = join(this.dir, name)
    writeFileSync(file, text)
    return file
  }
}

/** A real `./wherry up --detach` in a folder of its own, and real kubectl 1.35 on it. */
export class TestCluster extends KubectlRunner {
  readonly port: number

  private constructor(cluster: { dir: string; port: number; program: string }) {
    super({ ...cluster, kubeconfig: join(cluster.dir, 'kubeconfig') })
    this.port = cluster.port
  }

  static async start(...flags: string[]): Promise<TestCluster> {
    const dir = mkdtempSync(join(tmpdir(), 'wherry-e2e-'))
    const cluster = new TestCluster({ dir, port: await freePort(), program: await bundledTool('kubectl') })
    await cluster.up(...flags)
    return cluster
  }

  async up(...flags: string[]): Promise<void> {
    const outcome = await this.wherry('up', '--detach', '--port', String(this.port), ...flags)
    if (outcome.code !== 0) throw new Error(`up failed: ${outcome.stdout}${outcome.stderr}\n${this.log()}`)
  }

  async stop(): Promise<void> {
    const outcome = await this.wherry('down', '--purge')
    rmSync(this.dir, { recursive: true, force: true })
    if (outcome.code !== 0) throw new Error(`down failed: ${outcome.stdout}${outcome.stderr}`)
  }

  /** The last lines of the cluster's log, for a failing test's message. */
  log(lines = 40): string {
    return readFileSync(join(this.dir, 'wherry.log'), 'utf8').split('\n').slice(-lines).join('\n')
  }

  running(): { pid: number } {
    return JSON.parse(readFileSync(join(this.dir, 'run.json'), 'utf8')) as { pid: number }
  }

  async wherry(command: string, ...args: string[]): Promise<Outcome> {
    return await execute(WHERRY, [command, ...args, '--data-dir', this.dir], { timeoutMs: 120_000 })
  }

  async loadImage(): Promise<void> {
    const archive = join(this.dir, 'busybox.tar')
    buildBusyboxImage(archive)
    const outcome = await this.wherry('image', 'load', archive)
    if (outcome.code !== 0) throw new Error(`image load failed: ${outcome.stderr}`)
  }
}
