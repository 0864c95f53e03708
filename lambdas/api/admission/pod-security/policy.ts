/** A namespace's labels say which of the Pod Security Standards hold, and what is done about a pod that breaks them. */
import type { FieldError } from '../../../../core/errors.ts'
import { invalid } from '../../../../core/field-errors.ts'
import { baselineChecks } from './baseline.ts'
import type { CheckPod, Finding, PodShape } from './check.ts'
import { restrictedChecks } from './restricted.ts'

export type Level = 'privileged' | 'baseline' | 'restricted'
const LEVELS: readonly Level[] = ['privileged', 'baseline', 'restricted']

/** The standard as of Kubernetes 1.`minor`; Infinity: the newest. */
export interface Standard {
  readonly level: Level
  readonly minor: number
}

export type Mode = 'enforce' | 'audit' | 'warn'
export type Policy = Readonly<Record<Mode, Standard>>

const PREFIX = 'pod-security.kubernetes.io/'
const LATEST = Number.POSITIVE_INFINITY
const PRIVILEGED: Standard = { level: 'privileged', minor: LATEST }
const NO_POLICY: { readonly policy: Policy; readonly errors: readonly FieldError[] } = {
  policy: { enforce: PRIVILEGED, audit: PRIVILEGED, warn: PRIVILEGED },
  errors: []
}
/** The newest version that any check distinguishes. */
const NEWEST = Math.max(
  ...[...baselineChecks, ...restrictedChecks].flatMap(({ versions }) => versions.map((v) => v.since))
)

type Labels = Readonly<Record<string, string>> | undefined

/** What the labels ask for; a wrong one is named, and enforces the strictest or audits and warns of nothing. */
export function policyOf(labels: Labels): { readonly policy: Policy; readonly errors: readonly FieldError[] } {
  if (labels === undefined || !hasLabel(labels)) return NO_POLICY
  const errors: FieldError[] = []
  const read = (mode: Mode): Standard => {
    const [levelLabel, versionLabel] = [`${PREFIX}${mode}`, `${PREFIX}${mode}-version`]
    let level: Level = 'privileged'
    let minor = LATEST
    const text = labels[levelLabel]
    if (text !== undefined) {
      const known = LEVELS.find((one) => one === text)
      level = known ?? (mode === 'enforce' ? 'restricted' : 'privileged')
      if (known === undefined) errors.push(wrong(levelLabel, text, `must be one of ${LEVELS.join(', ')}`))
    }
    const version = labels[versionLabel]
    if (version !== undefined && version !== 'latest') {
      const [, digits] = /^v1\.([0-9]|[1-9][0-9]*)$/.exec(version) ?? []
      if (digits === undefined) errors.push(wrong(versionLabel, version, 'must be "latest" or "v1.x"'))
      else minor = Number(digits)
    }
    return { level, minor }
  }
  const [enforce, audit] = [read('enforce'), read('audit')]
  let warn = read('warn')
  // Who enforces is warned too, also of the workloads that would make such pods.
  const enforced = LEVELS.find((one) => one === labels[`${PREFIX}enforce`])
  if (labels[`${PREFIX}warn`] === undefined && enforced !== undefined && enforced !== 'privileged')
    warn = { level: enforced, minor: labels[`${PREFIX}warn-version`] === undefined ? enforce.minor : warn.minor }
  return { policy: { enforce, audit, warn }, errors }
}

function hasLabel(labels: NonNullable<Labels>): boolean {
  for (const key in labels) if (key.startsWith(PREFIX)) return true
  return false
}

function wrong(label: string, value: string, why: string): FieldError {
  return invalid(`metadata.labels[${label}]`, value, why)
}

/** "restricted:latest", "baseline:v1.20" */
export function standardText({ level, minor }: Standard): string {
  return `${level}:${minor === LATEST ? 'latest' : `v1.${minor}`}`
}

export function sameStandard(a: Standard, b: Standard): boolean {
  return a.level === b.level && a.minor === b.minor
}

/** Whether `a` asks for more than `b`. */
export function isStricter(a: Level, b: Level): boolean {
  return LEVELS.indexOf(a) > LEVELS.indexOf(b)
}

const compiled = new Map<string, readonly CheckPod[]>()

/** What a pod breaks of a standard; none for the privileged. */
export function findingsOf(standard: Standard, pod: PodShape): readonly Finding[] {
  if (standard.level === 'privileged') return []
  const minor = Math.min(standard.minor, NEWEST)
  const key = `${standard.level} ${minor}`
  let checks = compiled.get(key)
  if (checks === undefined) {
    checks = checksOf(standard.level, minor)
    compiled.set(key, checks)
  }
  return checks.map((check) => check(pod)).filter((finding) => finding !== undefined)
}

/** The baseline's first, each in the order of its id. */
function checksOf(level: Level, minor: number): readonly CheckPod[] {
  const at = (all: typeof baselineChecks) =>
    all
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .flatMap(({ id, versions }) => {
        const version = versions.findLast(({ since }) => since <= minor)
        return version === undefined ? [] : [{ id, ...version }]
      })
  const baseline = at(baselineChecks)
  if (level === 'baseline') return baseline.map(({ check }) => check)
  const restricted = at(restrictedChecks)
  const overridden = new Set(restricted.flatMap(({ overrides = [] }) => overrides))
  return [...baseline.filter(({ id }) => !overridden.has(id)), ...restricted].map(({ check }) => check)
}

export function detailText(findings: readonly Finding[]): string {
  return findings.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ')
}

export function reasonText(findings: readonly Finding[]): string {
  return findings.map(({ reason }) => reason).join(', ')
}
