/** One write: decided by `apply` when its batch begins, which has no effect where it throws. */
export interface Operation<B> {
  readonly apply: (batch: B) => unknown
  result?: unknown
  error?: unknown
}

interface Queued<B> extends Operation<B> {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Group commit: writes gather while a batch is on its way to the disk, and go together as the next one. */
export class WriteQueue<B> {
  private queue: Queued<B>[] = []
  private writing: Promise<void> | undefined
  private readonly most: number
  private readonly writeBatch: (operations: readonly Operation<B>[]) => Promise<void>

  /**
   * `writeBatch` applies up to `most` operations in their order, sets each one's result or error, and resolves when all
   * is durable; where it rejects, none took place.
   */
  constructor(most: number, writeBatch: (operations: readonly Operation<B>[]) => Promise<void>) {
    this.most = most
    this.writeBatch = writeBatch
  }

  add<T>(apply: (batch: B) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ apply, resolve: resolve as (result: unknown) => void, reject })
      this.writing ??= this.drain()
    })
  }

  /** Resolves when nothing is waiting. */
  async idle(): Promise<void> {
    await this.writing
  }

  private async drain(): Promise<void> {
    // Whoever else writes in this turn of the event loop comes along.
    await null
    while (this.queue.length > 0) {
      const operations = this.queue.splice(0, this.most)
      try {
        await this.writeBatch(operations)
        for (const { resolve, reject, result, error } of operations)
          error === undefined ? resolve(result) : reject(error)
      } catch (error) {
        for (const { reject } of operations) reject(error)
      }
    }
    this.writing = undefined
  }
}
