import { existsSync, readFileSync } from 'node:fs'
import { nodes } from '../core/kinds/refs.ts'
import type { Node } from '../core/kinds/types.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { type Cluster, readCluster } from './cluster.ts'
import { connectAsAdmin } from './connect.ts'
import { CliError } from './errors.ts'
import { type Paths, pathsOf } from './paths.ts'
import { IMAGE_NEEDS, machineProblems, missing, NODE_NEEDS } from './preflight.ts'
import { type Running, readRunning } from './running.ts'
import { terminal } from './terminal.ts'

interface Finding {
  readonly what: string
  /** Absent: all is well. */
  readonly wrong?: string
  readonly mend?: string
}

/** Looks at the machine, the folder, the API and the node; exits with 1 when something is wrong. */
export async function doctor(options: { readonly dataDir: string }): Promise<void> {
  const paths = pathsOf(options.dataDir)
  const findings = [...machine(), ...(await cluster(paths))]
  for (const { what, wrong, mend } of findings) {
    terminal.say(wrong === undefined ? `ok     ${what}` : `wrong  ${what}: ${wrong}`)
    if (wrong !== undefined && mend !== undefined) terminal.say(`       ${mend}`)
  }
  const wrong = findings.filter((finding) => finding.wrong !== undefined).length
  if (wrong > 0) throw new CliError(`${wrong} of ${findings.length} checks found something wrong`)
}

function check(what: string, wrong: string | undefined, mend?: string): Finding {
  return { what, ...(wrong === undefined ? {} : { wrong }), ...(mend === undefined ? {} : { mend }) }
}

function machine(): Finding[] {
  const problems = machineProblems()
  const lacking = (needs: typeof NODE_NEEDS) => missing(needs).map((need) => need.package)
  const forNode = lacking(NODE_NEEDS)
  const forDemo = lacking(IMAGE_NEEDS)
  const forwarding = readNumber('/proc/sys/net/ipv4/ip_forward')
  const list = (packages: readonly string[]) => (packages.length === 0 ? undefined : `missing ${packages.join(', ')}`)
  return [
    check('this machine can run a node', problems.length === 0 ? undefined : problems.join('; ')),
    check('packages for a node', list(forNode), `apt-get install ${forNode.join(' ')}`),
    check('packages for ./wherry demo', list(forDemo), `apt-get install ${forDemo.join(' ')}`),
    check(
      'packets are forwarded',
      forwarding === 1 ? undefined : 'net.ipv4.ip_forward is 0',
      './wherry up sets it; or: sysctl -w net.ipv4.ip_forward=1'
    )
  ]
}

function readNumber(file: string): number | undefined {
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined
}

async function cluster(paths: Paths): Promise<Finding[]> {
  const start = `./wherry up --detach --data-dir ${paths.dir}`
  const known = damage(paths)
  if (typeof known === 'string') return [check(`the folder ${paths.dir}`, known, './wherry down --purge deletes it')]
  if (known === undefined) return [check(`a cluster in ${paths.dir}`, 'there is none', start)]
  const running = readRunning(paths)
  if (running === undefined)
    return [check('the control plane runs', 'it does not', `${start}; its log is ${paths.log}`)]
  return [
    check(`the control plane runs (process ${running.pid})`, undefined),
    ...(await api({ paths, running, known }))
  ]
}

function damage(paths: Paths): Cluster | string | undefined {
  try {
    return readCluster(paths)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function api(at: { paths: Paths; running: Running; known: Cluster }): Promise<Finding[]> {
  const { paths, running, known } = at
  const connection = connectAsAdmin(paths, known)
  try {
    const { items } = await connection.client.list(nodes)
    const answers = check(`the API answers at ${running.url}`, undefined)
    if (running.controlPlaneOnly) return [answers]
    if (items.length === 0) return [answers, check('a node', 'none has registered', `see ${paths.log}`)]
    return [answers, ...items.map((node) => nodeFinding(node, paths))]
  } catch (error) {
    return [
      check(
        `the API answers at ${running.url}`,
        error instanceof Error ? error.message : String(error),
        `see ${paths.log}`
      )
    ]
  } finally {
    connection.close()
  }
}

function nodeFinding(node: Node, paths: Paths): Finding {
  const age = systemPorts(silentLog).clock.now()
  const ready = node.status?.conditions?.find((one) => one.type === 'Ready')
  const beat = Math.round((age - Date.parse(ready?.lastHeartbeatTime ?? '')) / 1000)
  const wrong =
    ready?.status === 'True'
      ? undefined
      : `${ready?.reason ?? 'no Ready condition'}: ${ready?.message ?? ''} (last heard of ${beat} s ago)`
  return check(`node ${node.metadata.name} is Ready`, wrong, `see ${paths.log}`)
}
