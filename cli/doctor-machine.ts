import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Finding, finding } from './finding.ts'
import type { Paths } from './paths.ts'
import { aptLine, IMAGE_NEEDS, isRoot, machineProblems, missing, type Need, NODE_NEEDS } from './preflight.ts'

/** Below these a node reports disk pressure, or the store can hardly grow (bytes, and a share of all inodes). */
const FREE_BYTES = 512 * 1024 * 1024
const FREE_INODES = 0.02

/** What the machine lacks; of a node's needs only where there is one, or may be one. `running`: a node runs now. */
export function machineFindings(paths: Paths, node: 'none' | 'possible' | 'running'): Finding[] {
  if (node === 'none') return [disk(paths)]
  const problems = machineProblems()
  return [
    finding(
      'this machine can run a node',
      problems.length === 0 ? undefined : problems.join('; '),
      isRoot() ? './wherry up --control-plane-only needs none of it' : 'run ./wherry as root'
    ),
    packages('packages for a node', NODE_NEEDS, './wherry up installs them'),
    ...(isRoot() && missing(NODE_NEEDS).length === 0 ? [netfilter()] : []),
    packages('packages for ./wherry demo', IMAGE_NEEDS, './wherry demo installs them'),
    ...(node === 'running' ? [forwarding()] : []),
    disk(paths)
  ]
}

function packages(what: string, needs: readonly Need[], who: string): Finding {
  const lacking = missing(needs).map((need) => need.package)
  if (lacking.length === 0) return finding(what)
  return finding(what, `missing ${lacking.join(', ')}`, `${who} as root, or: ${aptLine(lacking)}`)
}

function netfilter(): Finding {
  const what = 'the kernel has nftables'
  try {
    execFileSync('nft', ['list', 'tables'], { stdio: ['ignore', 'ignore', 'pipe'] })
    return finding(what)
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n')[0]
    return finding(what, said ?? String(error), 'load its modules: modprobe nf_tables nft_nat nft_masq')
  }
}

function forwarding(): Finding {
  const value = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()
  return finding(
    'packets are forwarded',
    value === '1' ? undefined : `net.ipv4.ip_forward is ${value}: pods reach nothing`,
    'sysctl -w net.ipv4.ip_forward=1; see in /etc/sysctl.d who turns it off'
  )
}

function disk(paths: Paths): Finding {
  const { dir, stats } = diskOf(paths.dir)
  const free = Number(stats.bavail) * Number(stats.bsize)
  const what = `the disk of ${dir} has room`
  const mend = 'delete what is not needed, or move the folder to a larger disk'
  if (free < FREE_BYTES) return finding(what, `${Math.floor(free / 1e6)} MB are free`, mend)
  const short = Number(stats.ffree) < Number(stats.files) * FREE_INODES
  return finding(what, short ? `${stats.ffree} of ${stats.files} inodes are free` : undefined, mend)
}

/** Of the folder, or of what it will be made in. */
function diskOf(dir: string): { dir: string; stats: ReturnType<typeof statfsSync> } {
  try {
    return { dir, stats: statfsSync(dir) }
  } catch (error) {
    if (dirname(dir) === dir) throw error
    return diskOf(dirname(dir))
  }
}
