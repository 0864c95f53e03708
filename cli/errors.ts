/** A failure that the user can do something about: printed as it is, without a stack. */
export class CliError extends Error {
  readonly hint: string | undefined
  /** The process's exit code: 1 for a failure, 2 for wrong usage. */
  readonly exitCode: number

  constructor(message: string, options: { hint?: string | undefined; exitCode?: number } = {}) {
    super(message)
    this.name = 'CliError'
    this.hint = options.hint
    this.exitCode = options.exitCode ?? 1
  }
}
