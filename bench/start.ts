/**
 * How long `./wherry up` takes: from the command to /readyz, on an empty folder and on one that was used before, and to
 * a Ready node; and the memory of the control plane when idle. Run as root: node bench/start.ts
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execute, freePort, TestCluster, WHERRY } from '../test/e2e/cluster.ts'
import { median, print, residentMB, statusOf } from './figures.ts'

const ROUNDS = 7
const IDLE_MS = 10_000

interface Start {
  readonly seconds: number
  readonly child: ChildProcess
}

async function untilReady(dir: string, port: number): Promise<Start> {
  const begin = performance.now()
  const child = spawn(WHERRY, ['up', '--control-plane-only', '--data-dir', dir, '--port', String(port)], {
    stdio: 'ignore'
  })
  while ((await statusOf(`https://127.0.0.1:${port}/readyz`)) !== 200)
    await new Promise((resolve) => setTimeout(resolve, 5))
  return { seconds: (performance.now() - begin) / 1000, child }
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

async function controlPlane(): Promise<void> {
  const firsts: number[] = []
  const agains: number[] = []
  let idle = 0
  for (let round = 0; round < ROUNDS; round++) {
    const dir = mkdtempSync(join(tmpdir(), 'wherry-bench-'))
    const port = await freePort()
    const first = await untilReady(dir, port)
    firsts.push(first.seconds)
    await stop(first.child)
    const again = await untilReady(dir, port)
    agains.push(again.seconds)
    if (round === ROUNDS - 1) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
      const { pid } = JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as { pid: number }
      idle = residentMB(pid)
    }
    await stop(again.child)
    await execute(WHERRY, ['down', '--purge', '--data-dir', dir])
    rmSync(dir, { recursive: true, force: true })
  }
  print('first start to API ready, median', `${median(firsts).toFixed(2)} s`)
  print('later start to API ready, median', `${median(agains).toFixed(2)} s`)
  print(`control plane idle after ${IDLE_MS / 1000} s, resident`, `${idle.toFixed(0)} MB`)
}

async function node(): Promise<void> {
  const seconds: number[] = []
  const cluster = await TestCluster.start()
  try {
    for (let round = 0; round < 3; round++) {
      await cluster.wherry('down')
      const begin = performance.now()
      await cluster.up()
      seconds.push((performance.now() - begin) / 1000)
    }
  } finally {
    await cluster.stop()
  }
  print('`up --detach` to node Ready, containerd started too, median', `${median(seconds).toFixed(2)} s`)
}

await controlPlane()
if (process.getuid?.() === 0) await node()
process.exit(0)
