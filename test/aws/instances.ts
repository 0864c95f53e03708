/**
 * EC2 instances as far as an agent can tell: each a network namespace with an address of its own in one network, a
 * metadata service with the credentials of its role, and a containerd. What they share with this machine is the rest.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { InstanceConfig } from '../../node-agent/aws/instance-config.ts'
import { run } from '../../node-agent/network/run.ts'
import { loadImage, stopContainerd } from '../../node-agent/runtime/containerd.ts'
import { type Instance, metadataServer, type RoleCredentials } from './metadata-server.ts'

/** Where the instances' cluster is. */
export interface Surroundings {
  readonly cluster: string
  /** The API: "https://127.0.0.1:PORT/prod". */
  readonly server: string
  /** The emulator of AWS: "http://127.0.0.1:PORT". */
  readonly endpoint: string
  readonly region: string
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string
  /** Credentials of the nodes' role, with the instance as the session's name. */
  readonly credentials: (instanceId: string) => Promise<RoleCredentials>
  /** The bundled agent: infra/node-asset.ts. */
  readonly program: string
}

const METADATA_PORT = 8169
const CLUSTER_NAME = 'wherry'
const NETWORK = '10.0.3'
const ports = systemPorts(silentLog)

/** The network between instances. A namespace of its own holds the switch, so nothing of it is on this machine's. */
export class InstanceLab {
  readonly dir = mkdtempSync(join(tmpdir(), 'wherry-instances-'))
  private readonly around: Surroundings
  private readonly lan = `wherry-${process.pid}-lan`
  private readonly instances: TestInstance[] = []
  private readonly servers: Server[] = []

  constructor(around: Surroundings) {
    this.around = around
  }

  async open(): Promise<void> {
    await must('ip', 'netns', 'add', this.lan)
    await must('ip', '-n', this.lan, 'link', 'add', 'lan', 'type', 'bridge')
    await must('ip', '-n', this.lan, 'link', 'set', 'lan', 'up')
    writeFileSync(join(this.dir, 'authority.pem'), this.around.authority)
    writeFileSync(join(this.dir, 'resolv.conf'), '')
  }

  /** What runs on the instance of that id: its network, its metadata, its agent. */
  async launch({ id, zone, config = {} }: Launch): Promise<TestInstance> {
    const index = this.instances.length + 1
    const { region } = this.around
    const facts: Instance = {
      id,
      zone,
      region,
      type: 'm7i.large',
      privateIP: `${NETWORK}.${10 + index}`,
      account: '000000000000'
    }
    const netns = `wherry-${process.pid}-${index}`
    const instance = new TestInstance({ around: this.around, facts, netns, lab: this.dir })
    this.instances.push(instance)
    await this.connect(netns, index, facts.privateIP)
    await instance.boot(config)
    return instance
  }

  private async connect(netns: string, index: number, address: string): Promise<void> {
    await must('ip', 'netns', 'add', netns)
    const inside = ['ip', '-n', netns] as const
    await must(...inside, 'link', 'set', 'lo', 'up')
    await must(...inside, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `p${index}`, 'netns', this.lan)
    await must(...inside, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    await must(...inside, 'link', 'set', 'eth0', 'up')
    await must('ip', '-n', this.lan, 'link', 'set', `p${index}`, 'master', 'lan', 'up')
    // As on EC2: packets that are not from and to the instances' own addresses do not arrive.
    const filter = `add table netdev vpc
add chain netdev vpc in { type filter hook ingress device eth0 priority 0; policy accept; }
add rule netdev vpc in meta protocol ip ip saddr != ${NETWORK}.0/24 drop
add rule netdev vpc in meta protocol ip ip daddr != ${NETWORK}.0/24 drop
`
    const { code, stderr } = await run(['ip', 'netns', 'exec', netns, 'nft', '-f', '-'], filter)
    if (code !== 0) throw new Error(`nft: ${stderr}`)
  }

  /** Ends all that was started, also after a failure; the namespaces and folders go. */
  async close(): Promise<void> {
    for (const instance of this.instances) await instance.terminate()
    for (const server of this.servers) server.close()
    await run(['ip', 'netns', 'delete', this.lan])
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface Launch {
  /** As EC2 calls it. */
  readonly id: string
  readonly zone: string
  readonly config?: Partial<InstanceConfig>
}

interface Parts {
  readonly around: Surroundings
  readonly facts: Instance
  readonly netns: string
  readonly lab: string
}

export class TestInstance {
  readonly id: string
  readonly privateIP: string
  private readonly parts: Parts
  private readonly dir: string
  private readonly dataDir: string
  private readonly servers: Server[] = []
  private forwarder: ChildProcess | undefined
  private agent: ChildProcess | undefined
  private terminated = false

  constructor(parts: Parts) {
    this.parts = parts
    this.id = parts.facts.id
    this.privateIP = parts.facts.privateIP
    this.dir = join(parts.lab, parts.netns.slice(-1))
    this.dataDir = join(this.dir, 'data')
  }

  async boot(config: Partial<InstanceConfig>): Promise<void> {
    const { around, facts, lab } = this.parts
    mkdirSync(this.dataDir, { recursive: true })
    const metadata = createHttpServer(metadataServer(facts, await around.credentials(facts.id)))
    const ways = {
      [METADATA_PORT]: await this.listen('metadata', metadata),
      [new URL(around.endpoint).port]: await this.listen('aws', passingTo(around.endpoint)),
      [new URL(around.server).port]: await this.listen('api', passingTo(around.server))
    }
    const forward = join(import.meta.dirname, 'forward.mjs')
    const forwarder = this.spawnInside([process.execPath, forward, JSON.stringify(ways)], {}, [
      'pipe',
      'pipe',
      'inherit'
    ])
    this.forwarder = forwarder
    await new Promise((resolve) => forwarder.stdout?.once('data', resolve))
    const told: InstanceConfig = {
      cluster: around.cluster,
      apiServer: around.server,
      dataDir: this.dataDir,
      upstreamResolvConf: join(lab, 'resolv.conf'),
      ...config
    }
    writeFileSync(join(this.dir, 'agent.json'), JSON.stringify(told))
    this.startAgent()
  }

  /** As systemd does, also after `kill`. */
  startAgent(): void {
    const { around, lab } = this.parts
    const log = openSync(join(this.dir, 'agent.log'), 'a')
    const command = [process.execPath, '--no-warnings', around.program, '--config', join(this.dir, 'agent.json')]
    const env = {
      AWS_ENDPOINT_URL: around.endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${METADATA_PORT}`,
      NODE_EXTRA_CA_CERTS: join(lab, 'authority.pem')
    }
    this.agent = this.spawnInside(command, env, ['ignore', log, log])
    closeSync(log)
  }

  async killAgent(): Promise<void> {
    const { agent } = this
    if (agent === undefined || agent.exitCode !== null || agent.signalCode !== null) return
    const gone = new Promise((resolve) => agent.once('exit', resolve))
    agent.kill('SIGKILL')
    await gone
  }

  /** The agent's containerd must run. Throws where it does not. */
  async loadImage(file: string): Promise<void> {
    await loadImage({ dataDir: this.dataDir, file })
  }

  /** Runs a program within the instance's network. */
  async exec(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(['ip', 'netns', 'exec', this.parts.netns, ...argv])
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}${stdout}`)
    return stdout
  }

  /** The agent's last lines, for a failing test's message. */
  log(lines = 40): string {
    try {
      return readFileSync(join(this.dir, 'agent.log'), 'utf8').split('\n').slice(-lines).join('\n')
    } catch {
      return ''
    }
  }

  /** All that runs on it ends, at once. */
  async terminate(): Promise<void> {
    if (this.terminated) return
    this.terminated = true
    await this.killAgent()
    await stopContainerd({ dataDir: this.dataDir, clusterName: CLUSTER_NAME }, ports)
    this.forwarder?.stdin?.end()
    for (const server of this.servers) server.close()
    await run(['ip', 'netns', 'delete', this.parts.netns])
  }

  private spawnInside(
    [program = '', ...args]: string[],
    env: Record<string, string>,
    stdio: ('pipe' | 'inherit' | 'ignore' | number)[]
  ): ChildProcess {
    // Not "ip netns exec", which hides /sys/fs/cgroup.
    const inside = [`--net=/run/netns/${this.parts.netns}`, program, ...args]
    const { PATH = '' } = process.env
    return spawn('nsenter', inside, { env: { PATH, HOME: this.dir, ...env }, stdio, cwd: this.dir })
  }

  private async listen(name: string, server: Server): Promise<string> {
    const socket = join(this.dir, `${name}.sock`)
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    server.unref()
    this.servers.push(server)
    return socket
  }
}

/** Passes connections on to where the URL says. */
function passingTo(url: string): Server {
  const { hostname, port } = new URL(url)
  return createServer((incoming) => {
    const outgoing = connect(Number(port), hostname)
    incoming.pipe(outgoing).pipe(incoming)
    incoming.on('error', () => outgoing.destroy())
    outgoing.on('error', () => incoming.destroy())
    incoming.on('close', () => outgoing.destroy())
    outgoing.on('close', () => incoming.destroy())
  })
}

async function must(...argv: string[]): Promise<void> {
  const { code, stderr } = await run(argv)
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr.trim()}`)
}
