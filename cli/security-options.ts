/** What `up` is told of audit and of outside issuers, from its options to what the API server takes. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Ports } from '../core/ports.ts'
import { auditPolicy } from '../lambdas/api/audit/policy.ts'
import type { AuditOptions } from '../lambdas/api/audit/trail.ts'
import type { IssuerVerifier } from '../lambdas/api/authn.ts'
import { oidcVerifier } from '../lambdas/api/oidc.ts'
import { openAuditLog } from './audit-log.ts'
import { CliError } from './errors.ts'
import type { UpOptions } from './up.ts'

const MEGABYTE = 1024 * 1024
const MOST_MEGABYTES = 100
const BACKUPS = 10

export interface Audit extends AuditOptions {
  /** Everything is in the file. */
  flush(): Promise<void>
}

/** undefined: nothing is audited. Throws CliError for a policy that is none. */
export function auditOf(options: UpOptions, ports: Ports): Audit | undefined {
  const { auditPolicy: policyFile, auditLog: file } = options
  if (policyFile === undefined && file === undefined) return undefined
  if (policyFile === undefined || file === undefined)
    throw new CliError(`--audit-${policyFile === undefined ? 'policy' : 'log'} is missing`, {
      hint: 'audit needs both: --audit-policy FILE --audit-log FILE'
    })
  const { auditLogMaxsize = MOST_MEGABYTES, auditLogMaxbackup: backups = BACKUPS } = options
  const maxBytes = Math.max(auditLogMaxsize, 1) * MEGABYTE
  const log = openAuditLog({ file, maxBytes, backups, ports })
  return { policy: policyIn(policyFile), ports, write: (line) => log.write(line), flush: () => log.flush() }
}

function policyIn(file: string) {
  try {
    return auditPolicy(parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new CliError(`${file} is no audit policy: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** The issuers whose tokens are accepted. Throws CliError for settings that make none. */
export function issuersOf(options: UpOptions, ports: Ports): readonly IssuerVerifier[] {
  const { oidcIssuerUrl: issuerUrl, oidcClientId: clientId, oidcCaFile: caFile } = options
  if (issuerUrl === undefined && clientId === undefined) return []
  if (issuerUrl === undefined || clientId === undefined)
    throw new CliError('--oidc-issuer-url and --oidc-client-id must be specified together')
  if (!/^https:\/\/[^/?#]/.test(issuerUrl))
    throw new CliError(`--oidc-issuer-url must be an https URL, not ${issuerUrl}`)
  const given = {
    usernameClaim: options.oidcUsernameClaim,
    usernamePrefix: options.oidcUsernamePrefix,
    groupsClaim: options.oidcGroupsClaim,
    groupsPrefix: options.oidcGroupsPrefix,
    requiredClaims: options.oidcRequiredClaim,
    caFile
  }
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  try {
    return [oidcVerifier({ issuerUrl, clientId, ...known }, ports)]
  } catch (error) {
    throw new CliError(`${caFile ?? issuerUrl}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
