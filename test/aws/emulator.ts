/**
 * AWS on this machine: DynamoDB Local (Java, from Maven) and ministack (Python, from PyPI), each fetched once into
 * .cache/emulators and run as a process on the loopback that ends with the test's process, however that ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fetched, fetchWith } from '../../cli/emulator/fetched.ts'
import { ministack } from '../../cli/emulator/ministack.ts'

const DYNAMODB_LOCAL = '2.6.1'
const MAVEN_DEPENDENCY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'
const START_TIMEOUT_MS = 60_000

export interface Emulator {
  /** "http://127.0.0.1:PORT" */
  readonly endpoint: string
  readonly pid: number
  /** What it printed so far. */
  output(): Promise<string>
  stop(): Promise<void>
}

export type EmulatorName = 'DynamoDB Local' | 'ministack'

const NEEDS: Readonly<Record<EmulatorName, readonly string[]>> = {
  'DynamoDB Local': ['java', 'mvn'],
  ministack: ['python3']
}

/** What this machine lacks for the emulator; undefined when it lacks nothing. */
export function lacksForEmulator(name: EmulatorName): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const lacking = NEEDS[name].filter((program) => !folders.some((folder) => existsSync(join(folder, program))))
  return lacking.length === 0 ? undefined : `needs ${lacking.join(' and ')}`
}

/** Fetches it first where that was not done yet. Resolves when it answers. */
export async function startEmulator(name: EmulatorName): Promise<Emulator> {
  const port = await freePort()
  if (name === 'ministack') return await start({ port, ...(await ministack({ host: '127.0.0.1', port })) })
  const folder = await fetched(`dynamodb-local-${DYNAMODB_LOCAL}`, fetchDynamoDbLocal)
  const main = ['-cp', join(folder, '*'), 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner']
  const options = ['-inMemory', '-disableTelemetry', '-port', String(port)]
  return await start({ port, command: ['java', `-Djava.library.path=${folder}`, ...main, ...options], environment: {} })
}

async function fetchDynamoDbLocal(folder: string): Promise<void> {
  const project = join(folder, 'pom.xml')
  const dependency = `<groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>${DYNAMODB_LOCAL}</version>`
  await writeFile(
    project,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>wherry</groupId>
<artifactId>emulators</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency>${dependency}</dependency></dependencies></project>`
  )
  await fetchWith('mvn', [
    '-q',
    '-B',
    '-f',
    project,
    MAVEN_DEPENDENCY,
    `-DoutputDirectory=${folder}`,
    '-DincludeScope=runtime'
  ])
}

interface Start {
  readonly port: number
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** The shell ends the emulator when its standard input ends, which it does with this process. */
const KEEPER = '"$@" & child=$!; read -r _; kill $child; wait $child'

async function start({ port, command, environment }: Start): Promise<Emulator> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-emulator-'))
  const log = join(folder, 'output')
  const script = `exec >${log} 2>&1 3<&0; (${KEEPER.replace('read -r _', 'read -r _ <&3')})`
  const keeper = spawn('sh', ['-c', script, 'sh', ...command], {
    cwd: folder,
    env: { ...process.env, ...environment, HOME: folder },
    stdio: ['pipe', 'ignore', 'ignore']
  })
  const exited = new Promise<void>((resolve) => keeper.once('exit', () => resolve()))
  const endpoint = `http://127.0.0.1:${port}`
  const output = async () => await readFile(log, 'utf8').catch(() => '')
  const stop = async () => {
    keeper.stdin?.end()
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  if (!(await answers(endpoint, keeper))) {
    const printed = await output()
    await stop()
    throw new Error(`${command[0]} did not answer:\n${printed}`)
  }
  return { endpoint, pid: keeper.pid ?? 0, output, stop }
}

async function answers(endpoint: string, process: ChildProcess): Promise<boolean> {
  for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end && process.exitCode === null; await wait(50)) {
    const answered = await fetch(endpoint, { signal: AbortSignal.timeout(2_000) }).then(
      () => true,
      () => false
    )
    if (answered) return true
  }
  return false
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was free')
  return address.port
}
