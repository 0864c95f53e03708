/**
 * AWS on this machine: DynamoDB Local (Java, from Maven) and ministack (Python, from PyPI), each fetched once into
 * .cache/emulators and run as a process on the loopback that ends with the test's process, however that ends.
 */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fetched, fetchWith } from '../../cli/emulator/fetched.ts'
import { ministack } from '../../cli/emulator/ministack.ts'
import { freePort, type Emulator as Running, startProcess } from '../../cli/emulator/process.ts'

export type Emulator = Running

const DYNAMODB_LOCAL = '2.6.1'
const MAVEN_DEPENDENCY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies'

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
  const endpoint = `http://127.0.0.1:${port}`
  if (name === 'ministack') return await startProcess(await ministack(port), endpoint)
  const folder = await fetched(`dynamodb-local-${DYNAMODB_LOCAL}`, fetchDynamoDbLocal)
  const main = ['-cp', join(folder, '*'), 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner']
  const options = ['-inMemory', '-disableTelemetry', '-port', String(port)]
  const command = ['java', `-Djava.library.path=${folder}`, ...main, ...options]
  return await startProcess({ command, environment: {} }, endpoint)
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
