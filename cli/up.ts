import { upDetached, upForParent } from './detach.ts'
import { requireMachine } from './preflight.ts'
import { terminal } from './terminal.ts'

export interface UpOptions {
  readonly dataDir: string
  readonly port?: number
  readonly detach?: boolean
  readonly controlPlaneOnly?: boolean
  /** Absolute, as all files. */
  readonly auditPolicy?: string
  readonly auditLog?: string
  /** Megabytes. */
  readonly auditLogMaxsize?: number
  readonly auditLogMaxbackup?: number
  readonly oidcIssuerUrl?: string
  readonly oidcClientId?: string
  readonly oidcUsernameClaim?: string
  readonly oidcUsernamePrefix?: string
  readonly oidcGroupsClaim?: string
  readonly oidcGroupsPrefix?: string
  readonly oidcRequiredClaim?: Readonly<Record<string, string>>
  readonly oidcCaFile?: string
}

export async function up(options: UpOptions): Promise<void> {
  if (options.controlPlaneOnly !== true) requireMachine()
  if (options.detach === true) return await upDetached(options)
  // A detached parent must not load the control plane as well.
  const { start } = await import('./start.ts')
  return process.send === undefined ? await start(options, terminal) : await upForParent(options, start)
}
