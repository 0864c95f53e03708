import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports, Timer } from '../core/ports.ts'
import { writeAtomically } from './files.ts'
import { openLog } from './log.ts'
import type { Paths } from './paths.ts'
import { type ProcessRecord, readProcess, startTicks } from './running.ts'

const MAIN = join(import.meta.dirname, '..', 'node-agent', 'main.ts')
const FIRST_RESTART_MS = 100
const LONGEST_RESTART_MS = 10_000
/** An agent that ran this long was well: its next death starts the back-off anew. */
const WELL_AFTER_MS = 60_000
const STOP_MS = 5_000

export interface AgentChildOptions {
  readonly paths: Paths
  readonly configFile: string
  readonly ports: Ports
  /** Told of each unwanted end, with how many there were since the agent was last well. */
  readonly onDeath?: (deaths: number) => void
}

/**
 * Keeps one node agent running beside this process. It is a process of its own, so that its death or a busy node never
 * stops the API; it ends by itself when the channel to this process breaks. Containers outlive both.
 */
export class AgentChild {
  private readonly options: AgentChildOptions
  private child: ChildProcess | undefined
  private restart: Timer | undefined
  private deaths = 0
  private stopping = false

  constructor(options: AgentChildOptions) {
    this.options = options
  }

  start(): void {
    const { paths, configFile, ports } = this.options
    const log = openLog(paths.log)
    const startedAt = ports.clock.now()
    const child = spawn(process.execPath, ['--no-warnings', MAIN, '--config', configFile], {
      stdio: ['ignore', log, log, 'ipc'],
      detached: true
    })
    closeSync(log)
    this.child = child
    if (child.pid !== undefined) {
      writeAtomically(paths.agent, JSON.stringify({ pid: child.pid, startTicks: startTicks(child.pid) ?? '' }))
    }
    child.once('error', (error) => ports.log.error({ error }, 'the node agent could not be started'))
    child.once('exit', (code, signal) => {
      if (this.stopping) return
      if (ports.clock.now() - startedAt > WELL_AFTER_MS) this.deaths = 0
      this.startAgain({ code, signal })
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
    const timer = this.options.ports.clock.after(STOP_MS, () => child.kill('SIGKILL'))
    await gone
    timer.cancel()
    rmSync(this.options.paths.agent, { force: true })
  }

  private startAgain(end: { code: number | null; signal: string | null }): void {
    const { ports, onDeath } = this.options
    const restartMs = Math.min(FIRST_RESTART_MS * 2 ** this.deaths, LONGEST_RESTART_MS)
    this.deaths++
    ports.log.warn({ ...end, restartMs }, 'the node agent ended and is started again')
    this.restart = ports.clock.after(restartMs, () => this.start())
    onDeath?.(this.deaths)
  }
}

export function runningAgent(paths: Paths): ProcessRecord | undefined {
  return readProcess(paths.agent)
}

/** Ends an agent that a killed `up` left behind. */
export function killStrayAgent(paths: Paths): void {
  const agent = runningAgent(paths)
  if (agent !== undefined) process.kill(agent.pid, 'SIGKILL')
  rmSync(paths.agent, { force: true })
}
