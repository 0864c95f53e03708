import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports, Timer } from '../core/ports.ts'
import { type Paths, writeAtomically } from './cluster.ts'
import { isAlive, startTicks } from './running.ts'

const MAIN = join(import.meta.dirname, '..', 'node-agent', 'main.ts')
const FIRST_RESTART_MS = 100
const LONGEST_RESTART_MS = 10_000
/** An agent that ran this long was well: its next death starts the back-off anew. */
const WELL_AFTER_MS = 60_000

/**
 * Keeps one node agent running beside this process. It is a process of its own, so that its death or a busy node never
 * stops the API; it ends by itself when the channel to this process breaks. Containers outlive both.
 */
export class AgentChild {
  private readonly options: { readonly paths: Paths; readonly configFile: string; readonly ports: Ports }
  private child: ChildProcess | undefined
  private restart: Timer | undefined
  private delayMs = FIRST_RESTART_MS
  private stopping = false

  constructor(options: { readonly paths: Paths; readonly configFile: string; readonly ports: Ports }) {
    this.options = options
  }

  start(): void {
    const { paths, configFile, ports } = this.options
    const log = openSync(paths.log, 'a')
    const startedAt = ports.clock.now()
    const child = spawn(process.execPath, ['--no-warnings', MAIN, '--config', configFile], {
      stdio: ['ignore', log, log, 'ipc'],
      detached: true
    })
    closeSync(log)
    this.child = child
    if (child.pid !== undefined) {
      writeAtomically(agentFile(paths), JSON.stringify({ pid: child.pid, startTicks: startTicks(child.pid) }))
    }
    child.once('error', (error) => ports.log.error({ error: error.message }, 'the node agent could not be started'))
    child.once('exit', (code, signal) => {
      if (this.stopping) return
      if (ports.clock.now() - startedAt > WELL_AFTER_MS) this.delayMs = FIRST_RESTART_MS
      ports.log.warn({ code, signal, restartMs: this.delayMs }, 'the node agent ended and is started again')
      this.restart = ports.clock.after(this.delayMs, () => this.start())
      this.delayMs = Math.min(this.delayMs * 2, LONGEST_RESTART_MS)
    })
  }

  /** Ends the agent; its containers go on. */
  async stop(): Promise<void> {
    this.stopping = true
    this.restart?.cancel()
    const child = this.child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGTERM')
    const timer = this.options.ports.clock.after(5_000, () => child.kill('SIGKILL'))
    await gone
    timer.cancel()
    rmSync(agentFile(this.options.paths), { force: true })
  }
}

function agentFile(paths: Paths): string {
  return join(paths.dir, 'agent.json')
}

/** Ends an agent that a killed `up` left behind. */
export function killStrayAgent(paths: Paths): void {
  try {
    const agent = JSON.parse(readFileSync(agentFile(paths), 'utf8')) as { pid: number; startTicks: string }
    if (isAlive(agent)) process.kill(agent.pid, 'SIGKILL')
  } catch {
    // none was left
  }
  rmSync(agentFile(paths), { force: true })
}
