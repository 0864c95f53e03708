import { Command, InvalidArgumentError, Option } from 'commander'
import { DEFAULT_DATA_DIR, DEFAULT_PORT } from './cluster.ts'
import { reportFailure } from './terminal.ts'

// Each command's code is loaded when it is asked for: a start of the API server must not pay for `test` or `doctor`.

function portNumber(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new InvalidArgumentError('a port is a number from 1 to 65535.')
  return port
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a number of seconds, 1 or more.')
  return value
}

// Whoever reads our output may stop reading: `./wherry up | head`.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const collect = (value: string, all: string[]) => [...all, value]

function dataDir(): Option {
  return new Option('--data-dir <dir>', "the cluster's folder").default(DEFAULT_DATA_DIR).env('WHERRY_DATA_DIR')
}

const program = new Command('wherry')
  .description('Kubernetes with no servers to keep')
  .version('0.1.0')
  .enablePositionalOptions()
  .showHelpAfterError('(see ./wherry --help)')
  .exitOverride((end) => process.exit(end.exitCode === 0 ? 0 : 2))

program
  .command('up')
  .description('start a one-node cluster on this machine (as root), or go on with the one in the folder')
  .addOption(dataDir())
  .option('--port <port>', `where the API listens (default: ${DEFAULT_PORT}, or the one of the last start)`, portNumber)
  .option('--detach', 'return when the API answers and the node is Ready')
  .option('--control-plane-only', 'start no node here')
  .action(async (options) => (await import('./up.ts')).up(options))

program
  .command('down')
  .description('stop the cluster with all its pods; leaves no process, mount, namespace, cgroup or nft table')
  .addOption(dataDir())
  .option('--purge', 'also delete the folder with everything stored')
  .action(async (options) => (await import('./down.ts')).down(options))

program
  .command('token')
  .description('print a bearer token for the API')
  .requiredOption('--user <name>', 'the user it speaks for')
  .option('--group <name>', 'a group of the user (may be given again)', collect, [])
  .option('--duration <seconds>', 'how long it is good for', seconds, 24 * 3600)
  .addOption(dataDir())
  .action(async (options) => (await import('./token.ts')).token(options))

program
  .command('kubectl')
  .description("run kubectl as the cluster's administrator")
  .addOption(dataDir())
  .argument('[args...]')
  .allowUnknownOption()
  .passThroughOptions()
  .helpOption(false)
  .action(async (args, options) => (await import('./kubectl.ts')).kubectl(args, options))

const image = program.command('image').description('container images of this machine')
image
  .command('load')
  .description('load an image archive (docker save, skopeo, OCI; plain or gzip)')
  .argument('<file>')
  .addOption(dataDir())
  .action(async (file, options) => (await import('./image.ts')).load(file, options))

program
  .command('demo')
  .description('make an image, load it, and apply examples/web.yaml')
  .addOption(dataDir())
  .action(async (options) => (await import('./demo.ts')).demo(options))

program
  .command('doctor')
  .description('what is wrong, and how to mend it')
  .addOption(dataDir())
  .action(async (options) => (await import('./doctor.ts')).doctor(options))

program
  .command('test')
  .description('install what the tests need and run them, all or those whose name or path matches')
  .argument('[names...]')
  .action(async (names) => (await import('./test.ts')).test(names))

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error)
}
