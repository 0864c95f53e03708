/**
 * Counters, gauges and histograms in Prometheus' text format. Written here and not taken from prom-client because every
 * request and every run of a controller counts: a series is found once and then bumped, without a hash of its labels, and
 * nothing has to be loaded at the start.
 */

type Values = readonly string[]

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  lines(): Iterable<string>
}

export interface Counter {
  inc(): void
}

export interface Gauge {
  add(amount: number): void
  set(value: number): void
}

export interface Histogram {
  observe(value: number): void
}

export interface FamilyOptions {
  readonly name: string
  readonly help: string
  /** Names of labels, in the order of their values. */
  readonly labels: readonly string[]
}

/** Families by name; asked for twice, a family is the same one. */
export class Metrics {
  private readonly families = new Map<string, Family>()
  private readonly collectors: (() => Promise<void> | void)[] = []

  counter(options: FamilyOptions): (...values: Values) => Counter {
    return this.family(options, 'counter', () => new Scalar()).series
  }

  gauge(options: FamilyOptions): (...values: Values) => Gauge {
    return this.family(options, 'gauge', () => new Scalar()).series
  }

  /** `buckets`: upper bounds, ascending. */
  histogram(options: FamilyOptions & { readonly buckets: readonly number[] }): (...values: Values) => Histogram {
    return this.family(options, 'histogram', () => new Distribution(options.buckets)).series
  }

  /** Called before each text: sets gauges that nobody bumps. */
  collect(collector: () => Promise<void> | void): void {
    this.collectors.push(collector)
  }

  async text(): Promise<string> {
    for (const collector of this.collectors) await collector()
    let text = ''
    for (const { name, help, type, lines } of [...this.families.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const body = [...lines()].join('')
      if (body !== '') text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${body}`
    }
    return text
  }

  private family<S extends Series>(options: FamilyOptions, type: Family['type'], make: () => S): SeriesFamily<S> {
    const known = this.families.get(options.name)
    if (known !== undefined) return known as SeriesFamily<S>
    const family = new SeriesFamily(options, type, make)
    this.families.set(options.name, family)
    return family
  }
}

interface Series {
  /** `labels` without braces, '' for none. */
  lines(name: string, labels: string): string
}

class SeriesFamily<S extends Series> implements Family {
  readonly name: string
  readonly help: string
  readonly type: Family['type']
  private readonly labels: readonly string[]
  private readonly make: () => S
  private readonly all = new Map<string, { readonly values: Values; readonly series: S }>()

  constructor({ name, help, labels }: FamilyOptions, type: Family['type'], make: () => S) {
    this.name = name
    this.help = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
    this.type = type
    this.labels = labels
    this.make = make
  }

  readonly series = (...values: Values): S => {
    const key = values.join('\0')
    let known = this.all.get(key)
    if (known === undefined) {
      known = { values, series: this.make() }
      this.all.set(key, known)
    }
    return known.series
  }

  readonly lines = (): Iterable<string> => {
    const texts = [...this.all.values()].map(({ values, series }) => {
      const labels = this.labels.map((label, i) => `${label}="${escaped(values[i] ?? '')}"`).join(',')
      return { labels, series }
    })
    texts.sort((a, b) => (a.labels < b.labels ? -1 : 1))
    return texts.map(({ labels, series }) => series.lines(this.name, labels))
  }
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${Number.isInteger(value) ? value : value.toPrecision(12).replace(/\.?0+$/, '')}\n`
}

class Scalar implements Series, Counter, Gauge {
  private value = 0

  inc(): void {
    this.value++
  }

  add(amount: number): void {
    this.value += amount
  }

  set(value: number): void {
    this.value = value
  }

  lines(name: string, labels: string): string {
    return line(name, labels, this.value)
  }
}

class Distribution implements Series, Histogram {
  private readonly bounds: readonly number[]
  /** Of each bucket alone; the last is above every bound. */
  private readonly counts: number[]
  private sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let i = 0
    while (i < this.bounds.length && value > (this.bounds[i] ?? 0)) i++
    this.counts[i] = (this.counts[i] ?? 0) + 1
    this.sum += value
  }

  lines(name: string, labels: string): string {
    const more = labels === '' ? '' : `${labels},`
    let text = ''
    let count = 0
    for (const [i, own] of this.counts.entries()) {
      count += own
      text += line(`${name}_bucket`, `${more}le="${this.bounds[i] ?? '+Inf'}"`, count)
    }
    return text + line(`${name}_sum`, labels, this.sum) + line(`${name}_count`, labels, count)
  }
}
