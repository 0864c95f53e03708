import { type Ports, sleep } from '../../core/ports.ts'
import { deltaText, forgetText, fullText, removalText, type TableConfig } from './nft-text.ts'
import type { ProxyChange, ServiceProxy, StaleFlow } from './proxy.ts'
import type { Run, RunResult } from './run.ts'
import type { Element } from './service-elements.ts'

export interface ApplyOptions {
  readonly config: TableConfig
  readonly proxy: ServiceProxy
  readonly run: Run
  readonly ports: Ports
}

/** Changes that come within this time share a transaction, which takes about 20 ms itself. */
const COALESCE_MS = 10

/** Somebody may flush the machine's nftables (a restarted firewall): everything is written anew this often. */
const RESYNC_MS = 60_000

const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 10_000

/**
 * Brings the proxy's elements to the kernel: a full replacement first and after any failure, then one transaction for
 * each batch of changes. Transactions never overlap.
 */
export class ProxyApplier {
  private readonly options: ApplyOptions
  private readonly end = new AbortController()
  /** Sets and maps in the kernel's table; undefined: unknown, a full replacement is due. */
  private declared: Set<string> | undefined
  private lastFull = 0
  private wake: () => void = () => {}
  private waiters: (() => void)[] = []
  private running: Promise<void> | undefined

  constructor(options: ApplyOptions) {
    this.options = options
  }

  start(): void {
    this.running = this.loop()
  }

  /** The proxy has changes. */
  changed(): void {
    this.wake()
  }

  /** Resolves when the kernel has everything that the proxy knew at the time of the call. */
  async applied(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.waiters.push(resolve)
      this.wake()
    })
  }

  synced(): boolean {
    return this.declared !== undefined
  }

  /** Leaves the table as it is: services go on working while the agent is restarted. */
  async close(): Promise<void> {
    this.end.abort()
    this.wake()
    await this.running
    for (const resolve of this.waiters.splice(0)) resolve()
  }

  private async loop(): Promise<void> {
    const { clock, log } = this.options.ports
    let failures = 0
    while (!this.end.signal.aborted) {
      const waiters = this.waiters.splice(0)
      try {
        await this.apply()
        failures = 0
        for (const resolve of waiters) resolve()
        if (this.waiters.length === 0 && !this.options.proxy.changed()) await this.rest()
        await sleep(clock, COALESCE_MS, this.end.signal)
      } catch (error) {
        this.waiters.push(...waiters)
        this.declared = undefined
        log.error({ err: error }, 'the service proxy could not be brought up to date, trying again')
        await sleep(clock, Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++), this.end.signal)
      }
    }
  }

  /** Until something changes or the next full replacement is due. */
  private async rest(): Promise<void> {
    const { clock } = this.options.ports
    await new Promise<void>((resolve) => {
      if (this.end.signal.aborted) return resolve()
      const timer = clock.after(Math.max(0, this.lastFull + RESYNC_MS - clock.now()), resolve)
      this.wake = () => {
        timer.cancel()
        resolve()
      }
    })
    this.wake = () => {}
  }

  private async apply(): Promise<void> {
    const { proxy, ports } = this.options
    const due = this.declared === undefined || ports.clock.now() - this.lastFull >= RESYNC_MS
    const change = proxy.take()
    if (due) await this.replaceAll()
    else if (change.added.length + change.removed.length > 0 && this.declared !== undefined) {
      const result = await this.nft(deltaText(this.options.config, change, this.declared))
      if (result.code !== 0) {
        // The kernel's table is not what it should be; the full text does not depend on what it is.
        ports.log.warn({ stderr: result.stderr }, 'a change of the service proxy was refused, writing all of it')
        await this.replaceAll()
      }
    }
    await this.forget(change, due)
  }

  private async replaceAll(): Promise<void> {
    const { config, proxy, ports } = this.options
    const existing = await this.existing()
    const first = await this.nft(fullText(config, proxy.all(), existing))
    if (first.code !== 0) {
      // A table of another make (an older version's): begin with nothing.
      ports.log.warn({ stderr: first.stderr }, 'the service proxy is written from nothing')
      const again = await this.nft(removalText(config.table) + fullText(config, proxy.all(), []))
      if (again.code !== 0) throw new Error(`nft: ${again.stderr.trim()}`)
    }
    const kept = [...proxy.all()].filter(([, keys]) => keys.size > 0).map(([set]) => set)
    this.declared = new Set([...(await this.existing()), ...kept])
    this.lastFull = ports.clock.now()
  }

  private async existing(): Promise<string[]> {
    const names: string[] = []
    for (const kind of ['sets', 'maps']) {
      const { code, stdout, stderr } = await this.options.run(['nft', '-t', 'list', kind, 'ip'])
      if (code !== 0) throw new Error(`nft list ${kind}: ${stderr.trim()}`)
      const body = stdout.split(/^table ip /m).find((text) => text.startsWith(`${this.options.config.table} {`))
      for (const [, name = ''] of body?.matchAll(/^\t(?:set|map) (\S+) \{/gm) ?? []) names.push(name)
    }
    return names
  }

  private async forget(change: ProxyChange, full: boolean): Promise<void> {
    if (change.forget || full) {
      const forgotten = await this.forgettable()
      // Clients that came while the change was made may be refused a deletion of theirs; the next round finds them.
      if (forgotten.length > 0) await this.nft(forgetText(this.options.config.table, forgotten))
    }
    if (change.staleFlows.length > 0) await this.dropFlows(change.staleFlows)
  }

  /** Remembered clients whose endpoint no longer serves, or whose service is no longer sticky. */
  private async forgettable(): Promise<Element[]> {
    const valid = this.options.proxy.stickyTargets()
    const forgotten: Element[] = []
    for (const set of ['sticky_service', 'sticky_node_port']) {
      const { code, stdout } = await this.options.run([
        'nft',
        '-nn',
        'list',
        'map',
        'ip',
        this.options.config.table,
        set
      ])
      if (code !== 0) continue
      // As in "10.244.0.5 . 10.96.0.1 . tcp . 80 timeout 10s expires 9s996ms : 10.244.0.7 . 8080"
      const remembered = /([\d.]+) \. ([\d.]+) \. (\w+) \. (\d+)(?: timeout \w+)?(?: expires \w+)? : ([\d.]+) \. (\d+)/g
      for (const [, client, ip, protocol = '', port, target, targetPort] of stdout.matchAll(remembered)) {
        const name = PROTOCOL_NAMES[protocol] ?? protocol
        const address = set === 'sticky_service' ? `${ip} . ${name} . ${port}` : `${name} . ${port}`
        const data = `${target} . ${targetPort}`
        if (valid.get(address)?.has(data) !== true)
          forgotten.push({ set, key: `${client} . ${ip} . ${name} . ${port}`, data })
      }
    }
    return forgotten
  }

  private async dropFlows(flows: readonly StaleFlow[]): Promise<void> {
    for (const flow of flows) {
      const argv = ['conntrack', '-D', '-p', 'udp', '--orig-port-dst', flow.port]
      if (flow.ip !== undefined) argv.push('--orig-dst', flow.ip)
      if (flow.endpoint !== undefined) argv.push('--dst-nat', flow.endpoint)
      const { code } = await this.options.run(argv)
      if (code !== 127) continue
      this.options.ports.log.debug({}, 'no conntrack tool: UDP clients of an endpoint that has gone wait for a timeout')
      return
    }
  }

  private nft(text: string): Promise<RunResult> {
    return this.options.run(['nft', '-f', '-'], text)
  }
}

const PROTOCOL_NAMES: Readonly<Record<string, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' }

/** Removes the cluster's table, if it is there. */
export async function removeTable(table: string, run: Run): Promise<void> {
  const { code, stderr } = await run(['nft', '-f', '-'], removalText(table))
  if (code !== 0 && code !== 127) throw new Error(`nft: ${stderr.trim()}`)
}
