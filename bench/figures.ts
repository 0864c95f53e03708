/** Shared by the bench programs: medians, a process's memory, a raw HTTPS request with the cluster's token. */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Resident memory of a process, in MB (10^6 bytes), as the kernel counts it. */
export function residentMB(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return (Number(line?.[1]) * 1024) / 1e6
}

const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })

/** The status of a GET, or 0 where nothing answers. */
export function statusOf(url: string, token?: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const outgoing = request(url, { agent, headers, timeout: 2_000 }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    })
    outgoing.on('error', () => resolve(0))
    outgoing.end()
  })
}

export function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(60)} ${value}\n`)
}
