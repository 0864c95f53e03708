import { CliError } from './errors.ts'

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

/** Prints a failure as a person wants to read it, and returns the exit code. */
export function reportFailure(error: unknown): number {
  if (error instanceof CliError) {
    process.stderr.write(`wherry: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`        ${error.hint}\n`)
    return error.exitCode
  }
  process.stderr.write(`wherry: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return 1
}
