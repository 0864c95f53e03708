import { spawn } from 'node:child_process'

export interface RunResult {
  /** The exit code; 127 where the program is missing, as a shell says it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program with `input` on its standard input. Never throws. Tests put another one in front (ip netns exec). */
export type Run = (argv: readonly string[], input?: string) => Promise<RunResult>

export const run: Run = ([program = '', ...args], input = '') =>
  new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A program that ends before it has read everything closes its input; its exit code tells enough.
    child.stdin.on('error', () => {})
    child.on('error', (error) => resolve({ code: 127, stdout: '', stderr: error.message }))
    child.on('close', (code) =>
      resolve({ code: code ?? 1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    )
    child.stdin.end(input)
  })

/** Throws with what the program said where its exit code is not 0. */
export async function must(run: Run, argv: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await run(argv, input)
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr.trim()}`)
}
