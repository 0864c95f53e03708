import { CliError } from './errors.ts'
import { fileFailure } from './files.ts'

/** Where a command's progress goes: the terminal, or the parent of a detached `up`. */
export interface Progress {
  /** Runs one step and says how long it took. */
  step<T>(what: string, work: () => Promise<T>): Promise<T>
  say(line: string): void
}

export function progressTo(write: (line: string) => void): Progress {
  return {
    say: write,
    step: async (what, work) => {
      const start = performance.now()
      const result = await work()
      write(`  ${what.padEnd(44)} ${((performance.now() - start) / 1000).toFixed(2)} s`)
      return result
    }
  }
}

export const terminal: Progress = progressTo((line) => process.stdout.write(`${line}\n`))

export interface Explanation {
  readonly message: string
  readonly hint?: string | undefined
  readonly exitCode: number
}

/** A failure as a person wants to read it. What we did not foresee is a bug: its stack helps to report it. */
export function explain(error: unknown): Explanation {
  const known = fileFailure(error)
  if (known instanceof CliError) return known
  if (known instanceof Error && known.name === 'ApiError') return { message: known.message, exitCode: 1 }
  return { message: known instanceof Error ? (known.stack ?? known.message) : String(known), exitCode: 1 }
}

/** Prints a failure, and returns the exit code. */
export function reportFailure(error: unknown): number {
  const { message, hint, exitCode } = explain(error)
  process.stderr.write(`wherry: ${message}\n`)
  if (hint !== undefined) process.stderr.write(`        ${hint.replaceAll('\n', '\n        ')}\n`)
  return exitCode
}
