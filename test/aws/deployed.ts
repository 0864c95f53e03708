import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { bundledTool } from '../../cli/kubectl.ts'
import { FUNCTION_NAMES, type FunctionName } from '../../infra/names.ts'
import { execute, KubectlRunner, type Outcome, WHERRY } from '../e2e/cluster.ts'

export interface DeployedOptions {
  /** The cluster's name; default "test". */
  readonly name?: string
  /** Options of `wherry deploy` beside --name and --emulator. */
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What programs need to find the emulator: credentials, region, AWS_ENDPOINT_URL. */
type AwsEnvironment = Readonly<Record<string, string>>

const DEPLOY_MS = 240_000
/** A token is good for 15 minutes. */
const TOKEN_MS = 300_000

/**
 * A cluster on an emulator of AWS, put there by `./wherry deploy --emulator` as anyone would, and real kubectl 1.35 with
 * the kubeconfig that `./wherry kubeconfig` prints.
 */
export class DeployedCluster extends KubectlRunner {
  readonly name: string
  /** "https://127.0.0.1:PORT/prod" */
  readonly server: string
  /** The emulator's: "http://127.0.0.1:PORT". */
  readonly endpoint: string
  /** PEM of the authority of `server`'s certificate. */
  readonly authority: string
  private readonly env: NodeJS.ProcessEnv
  private readonly config: Kubeconfig
  private tokenAt = Number.NEGATIVE_INFINITY

  private constructor(parts: {
    dir: string
    program: string
    name: string
    config: Kubeconfig
    env: NodeJS.ProcessEnv
  }) {
    const { dir, program, name, config, env } = parts
    super({ dir, program, kubeconfig: join(dir, 'token-kubeconfig') })
    this.config = config
    this.name = name
    this.env = env
    const { server = '', 'certificate-authority-data': authority = '' } = config.clusters[0]?.cluster ?? {}
    this.server = server
    this.authority = Buffer.from(authority, 'base64').toString()
    const variables = config.users[0]?.user.exec.env ?? []
    this.aws = Object.fromEntries(variables.map((one) => [one.name, one.value]))
    this.endpoint = this.aws.AWS_ENDPOINT_URL ?? ''
  }

  readonly aws: AwsEnvironment

  static async start({ name = 'test', flags = [], env = {} }: DeployedOptions = {}): Promise<DeployedCluster> {
    const dir = mkdtempSync(join(tmpdir(), 'wherry-deployed-'))
    const environment = { ...env, XDG_STATE_HOME: join(dir, 'state'), HOME: dir }
    const run = async (command: string, ...args: string[]) => {
      const options = { env: environment, timeoutMs: DEPLOY_MS }
      const outcome = await execute(WHERRY, [command, '--emulator', '--name', name, ...args], options)
      if (outcome.code === 0) return outcome.stdout
      throw new Error(`${command} failed: ${outcome.stdout}${outcome.stderr}`)
    }
    mkdirSync(environment.XDG_STATE_HOME)
    try {
      process.stdout.write(await run('deploy', ...flags))
      const kubeconfig = await run('kubeconfig')
      writeFileSync(join(dir, 'kubeconfig'), kubeconfig, { mode: 0o600 })
      const { parse } = await import('yaml')
      const config = parse(kubeconfig) as Kubeconfig
      return new DeployedCluster({ dir, program: await bundledTool('kubectl'), name, config, env: environment })
    } catch (error) {
      await run('destroy').catch(() => {})
      rmSync(dir, { recursive: true, force: true })
      throw error
    }
  }

  /** What `./wherry kubeconfig` printed: kubectl runs `wherry token` for each command. */
  get execKubeconfig(): string {
    return join(this.dir, 'kubeconfig')
  }

  /** With a token that is good for a while: to sign one for each command would take most of the tests' time. */
  override async kubectl(args: readonly string[], input?: string): Promise<Outcome> {
    if (performance.now() - this.tokenAt > TOKEN_MS) {
      this.tokenAt = performance.now()
      const [user] = this.config.users
      const config = { ...this.config, users: [{ ...user, user: { token: await this.token() } }] }
      this.writeFile('token-kubeconfig', JSON.stringify(config))
    }
    return await super.kubectl(args, input)
  }

  /** What kubectl would send now. */
  async token(): Promise<string> {
    const { args = [] } = this.config.users[0]?.user.exec ?? {}
    const credential = await execute(WHERRY, args, { env: this.aws })
    if (credential.code !== 0) throw new Error(`token: ${credential.stderr}`)
    return (JSON.parse(credential.stdout) as { status: { token: string } }).status.token
  }

  async stop(): Promise<void> {
    const outcome = await this.wherry('destroy')
    rmSync(this.dir, { recursive: true, force: true })
    if (outcome.code !== 0) throw new Error(`destroy failed: ${outcome.stdout}${outcome.stderr}`)
  }

  async wherry(command: string, ...args: string[]): Promise<Outcome> {
    const all = [command, '--emulator', '--name', this.name, ...args]
    return await execute(WHERRY, all, { env: this.env, timeoutMs: DEPLOY_MS })
  }

  /** How often each function has run until now: the emulator writes the logs that Lambda writes. */
  async invocations(): Promise<Record<FunctionName, number>> {
    const logs = new CloudWatchLogsClient({
      endpoint: this.endpoint,
      region: this.aws.AWS_REGION ?? '',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
    })
    const counts = await Promise.all(
      FUNCTION_NAMES.map(async (name) => [name, await this.reports(logs, `/aws/lambda/wherry-${this.name}-${name}`)])
    )
    logs.destroy()
    return Object.fromEntries(counts) as Record<FunctionName, number>
  }

  private async reports(logs: CloudWatchLogsClient, logGroupName: string): Promise<number> {
    let count = 0
    for (let nextToken: string | undefined; ; ) {
      const filter = { logGroupName, filterPattern: '"REPORT RequestId"', ...(nextToken && { nextToken }) }
      const page = await logs.send(new FilterLogEventsCommand(filter))
      count += page.events?.length ?? 0
      nextToken = page.nextToken
      if (nextToken === undefined) return count
    }
  }

  /** The last lines that a function logged, for a failing test's message. */
  async functionLog(name: FunctionName, lines = 40): Promise<string> {
    const logs = new CloudWatchLogsClient({
      endpoint: this.endpoint,
      region: this.aws.AWS_REGION ?? '',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' }
    })
    const logGroupName = `/aws/lambda/wherry-${this.name}-${name}`
    const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }))
    logs.destroy()
    return events
      .map(({ message }) => message)
      .slice(-lines)
      .join('\n')
  }
}

interface Kubeconfig {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data'?: string }
  }[]
  readonly users: readonly {
    readonly user: {
      readonly exec: {
        readonly args: readonly string[]
        readonly env?: readonly { readonly name: string; readonly value: string }[]
      }
    }
  }[]
}
