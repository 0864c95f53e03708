import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { isClusterName } from '../infra/names.ts'
import { DEFAULT_DATA_DIR } from './paths.ts'
import { reportFailure } from './terminal.ts'

// Each command's code is loaded when it is asked for: a start of the API server must not pay for `test` or `doctor`.

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535)
    throw new InvalidArgumentError('A port is a number from 1 to 65535.')
  return port
}

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }
const LONGEST_SECONDS = 3650 * 86_400

function seconds(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})([smhd]?)$/.exec(text) ?? []
  const value = Number(digits) * (UNITS[unit] ?? 0)
  if (value < 1 || value > LONGEST_SECONDS)
    throw new InvalidArgumentError('Expected a time such as 3600, 90s, 15m, 24h or 365d, up to 3650d.')
  return value
}

/** Names go into a token and from there into RBAC: what cannot be seen there is a mistake. */
function name(text: string): string {
  if (!/^[\p{L}\p{N}\p{P}\p{S}]([\p{L}\p{N}\p{P}\p{S} ]*[\p{L}\p{N}\p{P}\p{S}])?$/u.test(text))
    throw new InvalidArgumentError('Expected a name without blanks at its ends or control characters.')
  return text
}

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Expected a number of 1 or more.')
  return Number(text)
}

function folder(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected a folder.')
  return text
}

/** A detached cluster works in another folder. */
function file(text: string): string {
  return resolve(folder(text))
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.')
  return Number(text)
}

function claims(text: string, all: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(text) ?? []
  if (key === '') throw new InvalidArgumentError('Expected a claim such as team=web.')
  return { ...all, [key]: value }
}

const collect = (value: string, all: readonly string[]) => [...all, name(value)]

function dataDir(): Option {
  return new Option('--data-dir <dir>', "the cluster's folder")
    .default(DEFAULT_DATA_DIR)
    .env('WHERRY_DATA_DIR')
    .argParser(folder)
}

function example(...lines: string[]): string {
  return `\nExample${lines.length === 1 ? '' : 's'}:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

const program = new Command('wherry')
  .description('Kubernetes with no servers to keep')
  .usage('<command> [options]')
  .version('0.1.0')
  .enablePositionalOptions()
  .showHelpAfterError('(see ./wherry --help)')
  .showSuggestionAfterError()
  .helpCommand('help [command]', 'show the help of a command')
  .exitOverride((end) => process.exit(end.exitCode === 0 ? 0 : 2))
  .addHelpText(
    'after',
    `${example(
      './wherry up --detach     a cluster of one node, in the background',
      './wherry demo            three pods behind a service',
      './wherry kubectl get pods -o wide',
      './wherry down            stops everything; what is stored stays'
    )}
\nExit codes: 0 it worked, 1 it failed, 2 it was called in a wrong way.
Every command takes --data-dir, so that several clusters live side by side.`
  )

program
  .command('up')
  .description('start a one-node cluster on this machine (as root), or go on with the one in the folder')
  .addOption(dataDir())
  .option('--port <port>', 'where the API listens (default: that of the last start, else 6443)', portNumber)
  .option('--detach', 'return when the API answers and the node is Ready')
  .option('--control-plane-only', 'start no node here; needs no root')
  .option('--audit-policy <file>', 'which requests the audit log tells of (audit.k8s.io/v1 Policy)', file)
  .option('--audit-log <file>', 'where the audit log is written, a line of JSON for each event', file)
  .option('--audit-log-maxsize <megabytes>', 'when the file is turned over (default: 100)', wholeNumber)
  .option('--audit-log-maxbackup <count>', 'how many former files are kept, 0 for all (default: 10)', wholeNumber)
  .option('--oidc-issuer-url <url>', 'accept ID tokens of this OpenID Connect issuer')
  .option('--oidc-client-id <id>', 'the audience that its tokens must have')
  .option('--oidc-username-claim <claim>', 'the claim that names the user (default: sub)')
  .option('--oidc-username-prefix <text>', "before the user's name; - for nothing (default: the issuer's URL and #)")
  .option('--oidc-groups-claim <claim>', "the claim with the user's groups")
  .option('--oidc-groups-prefix <text>', 'before the name of each group')
  .option('--oidc-required-claim <key=value>', 'a claim that tokens must have; may be given again', claims)
  .option('--oidc-ca-file <file>', "certificates that the issuer's is signed by (default: the system's)", file)
  .addHelpText(
    'after',
    example(
      './wherry up --detach',
      './wherry up --data-dir ~/second --port 7443',
      './wherry up --audit-policy policy.yaml --audit-log audit.log'
    )
  )
  .action(async (options) => (await import('./up.ts')).up(options))

program
  .command('down')
  .description('stop the cluster with all its pods; leaves no process, mount, namespace, cgroup or nft table')
  .addOption(dataDir())
  .option('--purge', 'also delete everything stored')
  .addHelpText('after', example('./wherry down', './wherry down --purge --data-dir ~/second'))
  .action(async (options) => (await import('./down.ts')).down(options))

function contextValue(text: string, all: readonly string[] = []): readonly string[] {
  if (!/^[\w:@/-]+=/.test(text)) throw new InvalidArgumentError('Expected KEY=VALUE.')
  return [...all, text]
}

const clusterName = () =>
  new Option('--name <name>', "the cluster's name").default('main').argParser((text: string) => {
    if (isClusterName(text)) return text
    throw new InvalidArgumentError('A name has up to 26 of a-z, 0-9 and -, and starts with a letter.')
  })
const region = () => new Option('--region <region>', 'of AWS').env('AWS_REGION')
const emulator = () =>
  new Option(
    '--emulator',
    'an emulator of AWS on this machine: what AWS_ENDPOINT_URL names, else LocalStack where Docker runs, else ministack'
  )

program
  .command('deploy')
  .description('put a cluster without servers into your AWS account, or bring it up to date')
  .addOption(clusterName())
  .addOption(region())
  .addOption(emulator())
  .option('--no-nodes', 'the control plane alone: no network for instances')
  .addOption(
    new Option('--context <key=value>', 'of the CDK, beyond cdk.json: nodes=\'{"limit":3}\'').argParser(contextValue)
  )
  .addHelpText('after', example('./wherry deploy --region eu-central-1', './wherry deploy --emulator'))
  .action(async (options) => (await import('./aws/deploy.ts')).deploy(options))

program
  .command('kubeconfig')
  .description('print a kubeconfig for a cluster in your AWS account')
  .addOption(clusterName())
  .addOption(region())
  .addOption(emulator())
  .addHelpText('after', example('./wherry kubeconfig > main.kubeconfig && export KUBECONFIG=$PWD/main.kubeconfig'))
  .action(async (options) => (await import('./aws/kubeconfig.ts')).printKubeconfig(options))

program
  .command('destroy')
  .description('take a cluster out of your AWS account, with all that it stores')
  .addOption(clusterName())
  .addOption(region())
  .addOption(emulator())
  .option('--yes', 'do not ask')
  .addHelpText('after', example('./wherry destroy --region eu-central-1', './wherry destroy --emulator'))
  .action(async (options) => (await import('./aws/destroy.ts')).destroy(options))

program
  .command('token')
  .description('print a bearer token for the API')
  .addOption(new Option('--user <name>', 'the user it speaks for').argParser(name).conflicts('cluster'))
  .addOption(
    new Option('--group <name>', 'a group of the user; may be given again').argParser(collect).default([], 'none')
  )
  .addOption(
    new Option('--duration <time>', 'how long it is good for: seconds, or 15m, 24h, 365d')
      .argParser(seconds)
      .default(86_400, '24h')
  )
  .addOption(dataDir())
  .option('--cluster <name>', 'of a cluster on AWS: a token of your own AWS credentials, as kubectl takes it', name)
  .option('--region <region>', 'whose STS signs it (default: AWS_REGION, else us-east-1)', name)
  .addHelpText(
    'after',
    example(
      './wherry token --user jane --group developers',
      './wherry token --cluster prod     (what the kubeconfig of a cluster on AWS runs)',
      'curl -k -H "Authorization: Bearer $(./wherry token --user me --group system:masters)" https://127.0.0.1:6443/api'
    )
  )
  .action(async (options, command) => {
    if (options.cluster !== undefined) return (await import('./aws-token.ts')).printAwsToken(options)
    if (options.user === undefined) command.error("error: required option '--user <name>' not specified")
    await (await import('./token.ts')).token(options)
  })

program
  .command('kubectl')
  .description("run kubectl as the cluster's administrator")
  .usage('[--data-dir <dir>] <arguments of kubectl...>')
  .addOption(dataDir())
  .argument('[args...]', 'passed on as they are')
  .allowUnknownOption()
  .passThroughOptions()
  .addHelpText(
    'after',
    example(
      './wherry kubectl get pods -o wide',
      './wherry kubectl exec -it web-0 -- sh',
      "./wherry kubectl help     kubectl's own help"
    )
  )
  .action(async (args, options) => (await import('./kubectl.ts')).kubectl(args, options))

const namespace = () => new Option('-n, --namespace <name>', 'the namespace (default: default)')

program
  .command('history')
  .description('show who changed which fields of an object, and when')
  .argument('<object>', 'KIND/NAME')
  .addOption(namespace())
  .option('--limit <number>', 'how many versions at most', count, 50)
  .addOption(new Option('-o, --output <form>', 'instead of a table').choices(['json']))
  .addOption(dataDir())
  .addHelpText('after', example('./wherry history deployment/web', './wherry history cm/settings -n shop --limit 5'))
  .action(async (object, options) => (await import('./past.ts')).history(object, options))

program
  .command('diff')
  .description('show how an object differs from what it was')
  .argument('<object>', 'KIND/NAME')
  .requiredOption('--at <moment>', 'a version of its history, a time, or how long ago')
  .addOption(namespace())
  .addOption(dataDir())
  .addHelpText('after', example('./wherry diff deployment/web --at 1234', './wherry diff cm/settings --at 15m'))
  .action(async (object, options) => (await import('./past.ts')).diff(object, options))

program
  .command('undo')
  .description('make an object as it was, unless somebody changes it meanwhile; a deleted one is made again')
  .argument('<object>', 'KIND/NAME')
  .requiredOption('--to <moment>', 'a version of its history, a time, or how long ago')
  .addOption(namespace())
  .addOption(dataDir())
  .addHelpText('after', example('./wherry undo deployment/web --to 1234'))
  .action(async (object, options) => (await import('./past.ts')).undo(object, options))

program
  .command('get')
  .description('list objects as they were')
  .argument('<kind>', 'KIND or KIND/NAME')
  .argument('[name]')
  .requiredOption('--at <moment>', 'a version, a time, or how long ago')
  .addOption(namespace())
  .option('-A, --all-namespaces', 'of all namespaces')
  .option('-l, --selector <labels>', 'only objects with these labels')
  .addOption(new Option('-o, --output <form>', 'another form').choices(['wide', 'json', 'yaml', 'name']))
  .addOption(dataDir())
  .addHelpText(
    'after',
    example('./wherry get pods -A --at 10m', './wherry get cm settings --at 2026-05-01T12:00:00Z -o yaml')
  )
  .action(async (kind, name, options) => (await import('./past.ts')).getAt(kind, name, options))

program
  .command('image')
  .description("container images of the cluster's node")
  .command('load')
  .description('load an image archive (docker save, podman save, skopeo, OCI; plain or gzip)')
  .argument('<file>')
  .addOption(dataDir())
  .addHelpText('after', example('docker save -o web.tar web:1 && ./wherry image load web.tar'))
  .action(async (file, options) => (await import('./image.ts')).load(file, options))

program
  .command('demo')
  .description("make an image of Debian's busybox, load it, and apply examples/web.yaml")
  .addOption(dataDir())
  .addHelpText('after', example('./wherry up --detach && ./wherry demo'))
  .action(async (options) => (await import('./demo.ts')).demo(options))

program
  .command('doctor')
  .description('say what is wrong, and how to mend it; exits with 1 when something is')
  .addOption(dataDir())
  .addHelpText('after', example('./wherry doctor'))
  .action(async (options) => (await import('./doctor.ts')).doctor(options))

program
  .command('test')
  .description('install what the tests need and run them: all, or those whose path has a name in it')
  .argument('[names...]', 'parts of paths, or the checks lint and types')
  .addHelpText('after', example('./wherry test', './wherry test lint types', './wherry test store/ golden'))
  .action(async (names) => (await import('./test.ts')).test(names))

// Whoever reads our output may stop reading: `./wherry up | head`.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}
