import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { quotedYaml } from '../kubeconfig.ts'
import { localPaths, requireLocal } from './local.ts'
import { emulatorEnvironment, openSession, regionOf } from './session.ts'
import { endpointOf } from './stack.ts'

export interface AwsKubeconfigOptions {
  readonly name: string
  readonly region?: string
  readonly emulator?: boolean
}

const WHERRY = join(import.meta.dirname, '..', '..', 'wherry')

/** Prints a kubeconfig for a cluster on AWS: kubectl has `wherry token` say who asks, by whatever credentials it finds. */
export async function printKubeconfig(options: AwsKubeconfigOptions): Promise<void> {
  process.stdout.write(options.emulator === true ? emulatorKubeconfig(options) : await awsKubeconfig(options))
}

async function awsKubeconfig({ name, region }: AwsKubeconfigOptions): Promise<string> {
  const session = await openSession({ region })
  const { AWS_PROFILE: profile } = process.env
  return kubeconfigText({
    name,
    server: await endpointOf(session, name),
    args: ['--region', session.region],
    environment: profile === undefined || profile === '' ? {} : { AWS_PROFILE: profile }
  })
}

function emulatorKubeconfig({ name, region: asked }: AwsKubeconfigOptions): string {
  const local = requireLocal(name)
  const region = asked ?? regionOf(local)
  return kubeconfigText({
    name,
    server: local.server,
    authority: readFileSync(localPaths(name).authority),
    args: ['--region', region],
    environment: emulatorEnvironment(local, region)
  })
}

interface Text {
  readonly name: string
  readonly server: string
  /** PEM; where it is absent, those that everybody trusts. */
  readonly authority?: Buffer
  /** Of `wherry token --cluster NAME`. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export function kubeconfigText({ name, server, authority, args, environment }: Text): string {
  const variables = Object.entries(environment).map(([key, value]) => ({ name: key, value }))
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server,
          ...(authority === undefined ? {} : { 'certificate-authority-data': authority.toString('base64') })
        }
      }
    ],
    users: [
      {
        name,
        user: {
          exec: {
            apiVersion: 'client.authentication.k8s.io/v1',
            command: WHERRY,
            args: ['token', '--cluster', name, ...args],
            env: variables,
            interactiveMode: 'Never'
          }
        }
      }
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name
  }
  return quotedYaml(config)
}
