import { existsSync, statSync } from 'node:fs'
import { type Cluster, readCluster } from './cluster.ts'
import { machineFindings } from './doctor-machine.ts'
import { CliError } from './errors.ts'
import { type Finding, finding } from './finding.ts'
import { dataDirFlag, type Paths, pathsOf } from './paths.ts'
import { type Running, readRunning } from './running.ts'
import { type Explanation, explain, terminal } from './terminal.ts'

/** Looks at the machine, the folder, the API and the node; exits with 1 when something is wrong. */
export async function doctor(options: { readonly dataDir: string }): Promise<void> {
  const findings = await diagnose(pathsOf(options.dataDir))
  for (const { what, wrong, mend } of findings) {
    terminal.say(wrong === undefined ? `ok     ${what}` : `wrong  ${what}: ${wrong}`)
    if (wrong !== undefined && mend !== undefined) terminal.say(`       ${mend}`)
  }
  const wrong = findings.filter((one) => one.wrong !== undefined).length
  if (wrong > 0) throw new CliError(`${wrong} of ${findings.length} checks found something wrong`)
}

/** Each part is looked at only where the ones below it are there. */
async function diagnose(paths: Paths): Promise<Finding[]> {
  const running = readRunning(paths)
  const node = running === undefined ? 'possible' : running.controlPlaneOnly ? 'none' : 'running'
  const machine = machineFindings(paths, node)
  const start = `./wherry up --detach${dataDirFlag(paths)}`
  const exists = `a cluster in ${paths.dir}`
  if (existsSync(paths.dir) && !statSync(paths.dir).isDirectory())
    return [...machine, finding(exists, 'that is not a folder', 'name another with --data-dir')]
  const cluster = clusterOr(paths)
  if (cluster === undefined) return [...machine, finding(exists, 'there is none', start)]
  if ('message' in cluster) return [...machine, finding(exists, cluster.message, cluster.hint)]
  const { folderFindings, portFinding } = await import('./doctor-folder.ts')
  const folder = [...machine, ...folderFindings(paths, cluster)]
  const plane = controlPlane(paths, running, start)
  if (running === undefined) return [...folder, plane, await portFinding(paths, cluster)]
  if (!running.ready) return [...folder, plane]
  const { clusterFindings } = await import('./doctor-cluster.ts')
  return [...folder, plane, ...(await clusterFindings({ paths, cluster, running }))]
}

function clusterOr(paths: Paths): Cluster | Explanation | undefined {
  try {
    return readCluster(paths)
  } catch (error) {
    return explain(error)
  }
}

function controlPlane(paths: Paths, running: Running | undefined, start: string): Finding {
  const what = 'the control plane runs'
  if (running === undefined) return finding(what, 'it does not', `${start}; its log is ${paths.log}`)
  const wait = `wait; its log is ${paths.log}`
  return finding(`${what} (process ${running.pid})`, running.ready ? undefined : 'it is still starting', wait)
}
