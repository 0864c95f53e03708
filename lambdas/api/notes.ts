/** What the way of one request gathers beside its answer. */
import { warningHeader } from './answers.ts'

/** Beyond so many characters in all, each warning is cut to `ITEM` (k8s.io/apiserver/pkg/endpoints/filters/warning.go). */
const TOTAL = 4096
const ITEM = 256

export class Notes {
  private texts: Set<string> | undefined
  private written: Map<string, string> | undefined

  /** For the client; said twice it is told once. */
  warn(text: string): void {
    if (text === '') return
    this.texts ??= new Set()
    this.texts.add(text)
  }

  /** For the audit log; the first value of a key counts. */
  annotate(key: string, value: string): void {
    this.written ??= new Map()
    if (!this.written.has(key)) this.written.set(key, value)
  }

  get annotations(): ReadonlyMap<string, string> | undefined {
    return this.written
  }

  /** The Warning header of the texts; undefined where there are none. */
  header(): string | undefined {
    if (this.texts === undefined) return undefined
    const texts = [...this.texts]
    const total = texts.reduce((sum, text) => sum + text.length, 0)
    return warningHeader(total <= TOTAL ? texts : texts.map((text) => text.slice(0, ITEM))).warning
  }
}
