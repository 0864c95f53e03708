import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A client's caches have to be filled before it can tell what they hold. */
const ANSWER_MS = 60_000

export type Seen = Readonly<Record<string, Readonly<Record<string, string>>>>

/** A program that answers each line of its input with what it knows then, as a line of JSON. */
export class ClientProgram {
  private readonly child: ChildProcess
  private readonly answers: AsyncIterator<string>
  private errors = ''

  constructor(program: string, args: readonly string[]) {
    this.child = spawn(program, args, { stdio: 'pipe' })
    this.child.stdin?.on('error', () => {})
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-4_000)
    })
    if (this.child.stdout === null) throw new Error('no standard output')
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  async seen(): Promise<Seen> {
    this.child.stdin?.write('\n')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the client does not answer:\n${this.errors}`)), ANSWER_MS)
    })
    const { value, done } = await Promise.race([this.answers.next(), late]).finally(() => clearTimeout(timer))
    if (done === true) throw new Error(`the client ended:\n${this.errors}`)
    return JSON.parse(value) as Seen
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = new Promise((resolve) => this.child.once('close', resolve))
    this.child.stdin?.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(timer)
  }
}
