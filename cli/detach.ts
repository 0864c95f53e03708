import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from './errors.ts'
import { makeFolder } from './files.ts'
import { openLog } from './log.ts'
import { lastError } from './log-tail.ts'
import { pathsOf } from './paths.ts'
import { explain, type Progress, progressTo, terminal } from './terminal.ts'
import type { UpOptions } from './up.ts'

/** What a detached child tells its parent. */
type Message =
  | { readonly say: string }
  | { readonly ready: true }
  | { readonly failed: string; readonly hint?: string | undefined }

/** Starts `up` as a process of its own, without a terminal, and returns when it is ready. */
export async function upDetached(options: UpOptions): Promise<void> {
  const paths = pathsOf(options.dataDir)
  makeFolder(paths.dir)
  const log = openLog(paths.log)
  const args = [...process.execArgv, join(import.meta.dirname, 'main.ts'), 'up', '--data-dir', paths.dir]
  if (options.port !== undefined) args.push('--port', String(options.port))
  if (options.controlPlaneOnly === true) args.push('--control-plane-only')
  args.push(...securityArguments(options))
  const since = Date.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', log, log, 'ipc'], detached: true, cwd: '/' })
  closeSync(log)
  const end = await new Promise<Message>((resolve) => {
    child.on('message', (message: Message) => {
      if ('say' in message) terminal.say(message.say)
      else resolve(message)
    })
    child.once('error', (error) => resolve({ failed: error.message }))
    child.once('exit', (code, signal) => {
      const cause = lastError(paths.log, since)
      const how = `the control plane ended at its start (${signal ?? `exit code ${code}`})`
      resolve({ failed: cause === undefined ? how : `${how}: ${cause}`, hint: `see ${paths.log}` })
    })
  })
  if ('failed' in end) throw new CliError(end.failed, { hint: end.hint })
  child.unref()
  if (child.connected) child.disconnect()
}

/**
 * The other side: starts in this process and reports to the parent, which then cuts the channel. A parent that ends
 * before stops this.
 */
export async function upForParent(
  options: UpOptions,
  start: (options: UpOptions, progress: Progress) => Promise<void>
): Promise<void> {
  const tell = (message: Message) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  }
  const orphaned = () => process.kill(process.pid, 'SIGTERM')
  process.once('disconnect', orphaned)
  try {
    await start(
      options,
      progressTo((say) => tell({ say }))
    )
    process.removeListener('disconnect', orphaned)
    tell({ ready: true })
  } catch (error) {
    process.removeListener('disconnect', orphaned)
    const { message, hint } = explain(error)
    await new Promise((resolve) => process.send?.({ failed: message, hint }, undefined, undefined, resolve))
    process.exit(1)
  }
}

const PASSED: Readonly<Partial<Record<keyof UpOptions, string>>> = {
  auditPolicy: '--audit-policy',
  auditLog: '--audit-log',
  auditLogMaxsize: '--audit-log-maxsize',
  auditLogMaxbackup: '--audit-log-maxbackup',
  oidcIssuerUrl: '--oidc-issuer-url',
  oidcClientId: '--oidc-client-id',
  oidcUsernameClaim: '--oidc-username-claim',
  oidcUsernamePrefix: '--oidc-username-prefix',
  oidcGroupsClaim: '--oidc-groups-claim',
  oidcGroupsPrefix: '--oidc-groups-prefix',
  oidcCaFile: '--oidc-ca-file'
}

function securityArguments(options: UpOptions): string[] {
  const plain = Object.entries(PASSED).flatMap(([name, flag]) => {
    const value = options[name as keyof UpOptions]
    return value === undefined ? [] : [`${flag}=${String(value)}`]
  })
  const required = Object.entries(options.oidcRequiredClaim ?? {})
  return [...plain, ...required.map(([key, value]) => `--oidc-required-claim=${key}=${value}`)]
}
