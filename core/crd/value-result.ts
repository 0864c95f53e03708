/** What comes of validating a value: errors, and how much of it fitted (which of several alternatives is closest). */
import type { FieldError } from '../errors.ts'

export interface SchemaError extends FieldError {
  /** Composed by oneOf and the like: it is kept where others are dropped. */
  readonly important?: boolean
}

export class Result {
  readonly errors: SchemaError[] = []
  matches = 0

  get valid(): boolean {
    return this.errors.length === 0
  }

  add(error: SchemaError): void {
    this.errors.push(error)
  }

  merge(other: Result): void {
    this.errors.push(...other.errors)
    this.matches += other.matches
  }

  important(): Result {
    const kept = new Result()
    for (const error of this.errors) if (error.important === true) kept.add(error)
    return kept
  }
}
