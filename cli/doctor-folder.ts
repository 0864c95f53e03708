import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { checkFile } from '../store/backends/lmdb-file.ts'
import type { Cluster } from './cluster.ts'
import { codeOf } from './files.ts'
import { type Finding, finding } from './finding.ts'
import { damagedKeys, validities } from './key-files.ts'
import { dataDirFlag, type Paths, quoted } from './paths.ts'
import { described, tryPort, whoListens } from './port.ts'

/** What is wrong with the things in the folder. */
export function folderFindings(paths: Paths, cluster: Cluster): Finding[] {
  return [privacy(paths), ...keys(paths), clock(paths), store(paths), kubeconfig(paths, cluster)]
}

/** Secrets lie there in the clear. */
function privacy(paths: Paths): Finding {
  const open = [paths.dir, paths.keys, paths.store, paths.kubeconfig].filter((path) => (modeOf(path) & 0o077) !== 0)
  // A folder that was there before may be open, as long as what is in it is not.
  const wrong = open.filter((path) => path !== paths.dir)
  return finding(
    'keys and data are private',
    wrong.length === 0 ? undefined : `others may read ${wrong.join(', ')}`,
    `chmod -R go= ${wrong.join(' ')}`
  )
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777
  } catch {
    return 0
  }
}

function keys(paths: Paths): Finding[] {
  const damaged = damagedKeys(paths.keys)
  if (damaged.length === 0) return [finding('the keys are sound')]
  return damaged.map(({ file, mend }) => finding('the keys are sound', `${file} is damaged`, mend))
}

/** Certificates were valid when they were made: if they are not yet, the clock has gone back. */
function clock(paths: Paths): Finding {
  const now = Date.now()
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
  const early = validities(paths.keys).find(({ from }) => now < from)
  const late = validities(paths.keys).find(({ to }) => now > to)
  const what = 'the clock fits the certificates'
  if (early !== undefined)
    return finding(
      what,
      `it says ${day(now)} UTC, but ${early.file} was made after ${day(early.from)}`,
      'set the clock: timedatectl set-ntp true'
    )
  return finding(
    what,
    late === undefined ? undefined : `it says ${day(now)} UTC, and ${late.file} ended ${day(late.to)}`,
    `if the clock is right, a restart makes it anew: ./wherry down${dataDirFlag(paths)} and up`
  )
}

function store(paths: Paths): Finding {
  const what = 'the store is sound'
  try {
    checkFile(paths.store)
    return finding(what)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return finding(what)
    const message = error instanceof Error ? error.message : String(error)
    const purge = `./wherry down --purge${dataDirFlag(paths)}`
    return finding(what, message, `restore ${paths.store} from a backup, or give up what is stored: ${purge}`)
  }
}

function kubeconfig(paths: Paths, cluster: Cluster): Finding {
  const what = `kubeconfig leads to this cluster`
  const again = `./wherry up writes it anew; at once: rm -f ${quoted(paths.kubeconfig)}; ./wherry kubectl${dataDirFlag(paths)} get nodes`
  const text = readOr(paths.kubeconfig)
  if (text === undefined) return finding(what, `${paths.kubeconfig} is not there`, again)
  const ca = readOr(join(paths.keys, 'ca.crt'))
  if (ca !== undefined && !text.includes(Buffer.from(ca).toString('base64')))
    return finding(what, 'it has another authority than the keys', again)
  const own = text.includes(`https://127.0.0.1:${cluster.port}`)
  return finding(what, own ? undefined : `it does not lead to port ${cluster.port}`, again)
}

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** Whether a cluster that does not run could have its port. */
export async function portFinding(paths: Paths, cluster: Cluster): Promise<Finding> {
  const code = await tryPort(cluster.port)
  const pid = whoListens(cluster.port)
  const holder = code === 'EADDRINUSE' ? `taken by ${pid === undefined ? 'another process' : described(pid)}` : code
  return finding(
    `port ${cluster.port} is free`,
    holder,
    `end it, or choose another port: ./wherry up${dataDirFlag(paths)} --port N`
  )
}
