import { silentLog, systemPorts } from '../core/system-ports.ts'
import { openKeys } from '../lambdas/api/keys.ts'
import { pathsOf, readCluster } from './cluster.ts'
import { CliError } from './errors.ts'

export interface TokenOptions {
  readonly dataDir: string
  readonly user: string
  readonly group: readonly string[]
  readonly duration: number
}

/** Prints a token signed with the cluster's key. Works whether or not the cluster runs. */
export async function token(options: TokenOptions): Promise<void> {
  const paths = pathsOf(options.dataDir)
  if (readCluster(paths) === undefined) {
    throw new CliError(`there is no cluster in ${paths.dir}`, { hint: 'start one with: ./wherry up' })
  }
  const keys = await openKeys(paths.keys, systemPorts(silentLog))
  const text = await keys.mintUserToken({
    user: options.user,
    groups: options.group,
    expiresSeconds: options.duration
  })
  process.stdout.write(`${text}\n`)
}
