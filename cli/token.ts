import { silentLog, systemPorts } from '../core/system-ports.ts'
import { openKeys } from '../lambdas/api/keys.ts'
import { requireCluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { damagedKeys } from './key-files.ts'
import { pathsOf } from './paths.ts'

export interface TokenOptions {
  readonly dataDir: string
  readonly user: string
  readonly group: readonly string[]
  /** Seconds. */
  readonly duration: number
}

/** Prints a token signed with the cluster's key. Works whether or not the cluster runs. */
export async function token(options: TokenOptions): Promise<void> {
  const paths = pathsOf(options.dataDir)
  requireCluster(paths)
  const damaged = damagedKeys(paths.keys).find(({ file }) => file.endsWith('user-token.key'))
  if (damaged !== undefined) throw new CliError(`${damaged.file} is damaged`, { hint: damaged.mend })
  const keys = await openKeys(paths.keys, systemPorts(silentLog))
  const text = await keys.mintUserToken({
    user: options.user,
    groups: options.group,
    expiresSeconds: options.duration
  })
  process.stdout.write(`${text}\n`)
}
