/**
 * Which texts may be names, labels and keys, in the words of k8s.io/apimachinery/pkg/util/validation. Each function
 * answers with what is wrong; an empty list means that the text is good.
 */

type Complaints = readonly string[]
const NONE: Complaints = []

const BEYOND_ASCII = /[^\0-\x7f]/
/** UTF-8 bytes: Go's len(). */
export function byteLength(text: string): number {
  return BEYOND_ASCII.test(text) ? Buffer.byteLength(text) : text.length
}

export function regexError(message: string, format: string, ...examples: string[]): string {
  const shown = examples.map((example) => `'${example}', `).join(' or ')
  return `${message} (${examples.length === 0 ? '' : `e.g. ${shown}`}regex used for validation is '${format}')`
}

/** Bytes in any case; Kubernetes' older checks call them characters. */
export function maxLengthError(most: number, unit: 'bytes' | 'characters' = 'characters'): string {
  return `must be no more than ${most} ${unit}`
}

export function rangeError(least: number, most: number): string {
  return `must be between ${least} and ${most}, inclusive`
}

interface Shape {
  readonly most: number
  readonly unit?: 'bytes'
  readonly pattern: RegExp
  readonly error: string
}

/** The pattern is matched whole, as Go's ^...$ without multiline does: a last newline does not pass. */
function shape(most: number, format: string, words: { message: string; examples: readonly string[] }): Shape {
  return {
    most,
    pattern: new RegExp(`^(?:${format})$`),
    error: regexError(words.message, format, ...words.examples)
  }
}

function inBytes(...of: Parameters<typeof shape>): Shape {
  return { ...shape(...of), unit: 'bytes' }
}

function check(value: string, rule: Shape): Complaints {
  const long = value.length * 3 > rule.most && byteLength(value) > rule.most
  const wrong = !rule.pattern.test(value)
  if (!long && !wrong) return NONE
  return [...(long ? [maxLengthError(rule.most, rule.unit)] : []), ...(wrong ? [rule.error] : [])]
}

const LABEL_1123 = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN_1123 = `${LABEL_1123}(\\.${LABEL_1123})*`
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const LABEL_KEY = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'

const label1123 = shape(63, LABEL_1123, {
  message:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  examples: ['my-name', '123-abc']
})
const subdomain1123 = shape(253, SUBDOMAIN_1123, {
  message:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  examples: ['example.com']
})
const label1035 = shape(63, LABEL_1035, {
  message:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  examples: ['my-name', 'abc-123']
})
/** As the prefix of a label's key. */
const prefix1123: Shape = { ...subdomain1123, unit: 'bytes' }
const wildcard1123 = shape(253, `\\*\\.${SUBDOMAIN_1123}`, {
  message:
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  examples: ['*.example.com']
})
const labelKeyName = inBytes(63, LABEL_KEY, {
  message:
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  examples: ['MyName', 'my.name', '123-abc']
})
const labelValue = inBytes(63, `(${LABEL_KEY})?`, {
  message:
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  examples: ['MyValue', 'my_value', '12345']
})
const configMapKey = shape(253, '[-._a-zA-Z0-9]+', {
  message: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  examples: ['key.name', 'KEY_NAME', 'key-name']
})
const cIdentifier = shape(Number.MAX_SAFE_INTEGER, '[A-Za-z_][A-Za-z0-9_]*', {
  message:
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
  examples: ['my_name', 'MY_NAME', 'MyName']
})
const httpHeader = shape(Number.MAX_SAFE_INTEGER, '[-A-Za-z0-9]+', {
  message: "a valid HTTP header must consist of alphanumeric characters or '-'",
  examples: ['X-Header-Name']
})
const percent = shape(Number.MAX_SAFE_INTEGER, '[0-9]+%', {
  message: "a valid percent string must be a numeric string followed by an ending '%'",
  examples: ['1%', '93%']
})

export function isDNS1123Label(value: string): Complaints {
  const errors = check(value, label1123)
  if (errors.length === 0 || label1123.pattern.test(value) || !subdomain1123.pattern.test(value)) return errors
  return errors.map((error) => (error === label1123.error ? 'must not contain dots' : error))
}

export function isDNS1123Subdomain(value: string): Complaints {
  return check(value, subdomain1123)
}

export function isDNS1035Label(value: string): Complaints {
  return check(value, label1035)
}

export function isWildcardDNS1123Subdomain(value: string): Complaints {
  return check(value, wildcard1123)
}

/** A label's key, a finalizer, a resource's name: "name" or "prefix.example.com/name". */
export function isQualifiedName(value: string): Complaints {
  const slash = value.indexOf('/')
  if (slash < 0) return nameComplaints(value)
  if (value.indexOf('/', slash + 1) >= 0)
    return [
      `a valid label key ${labelKeyName.error} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`
    ]
  const prefix = value.slice(0, slash)
  const errors = prefix === '' ? ['must be non-empty'] : check(prefix, prefix1123)
  const rest = nameComplaints(value.slice(slash + 1))
  return errors.length === 0 ? rest : [...errors.map((error) => `prefix part ${error}`), ...rest]
}

function nameComplaints(name: string): Complaints {
  if (name === '') return ['name part must be non-empty', `name part ${labelKeyName.error}`]
  const errors = check(name, labelKeyName)
  return errors.length === 0 ? errors : errors.map((error) => `name part ${error}`)
}

export function isLabelValue(value: string): Complaints {
  return check(value, labelValue)
}

/** A key of a ConfigMap or Secret: what may become a file's name. */
export function isConfigMapKey(value: string): Complaints {
  const errors = check(value, configMapKey)
  const dots = dotComplaints(value)
  return dots.length === 0 ? errors : [...errors, ...dots]
}

function dotComplaints(value: string): Complaints {
  if (value === '.') return ["must not be '.'"]
  if (value === '..') return ["must not be '..'"]
  return value.startsWith('..') ? ["must not start with '..'"] : NONE
}

export function isCIdentifier(value: string): Complaints {
  return check(value, cIdentifier)
}

const ENVIRONMENT_NAME = /^[ -<>-~]*$/

/** The name of an environment variable, as 1.34 and later accept it: printable ASCII but "=". */
export function isEnvVarName(value: string): Complaints {
  const errors: string[] = []
  if (value === '') errors.push('environment variable name must be non-empty')
  if (!ENVIRONMENT_NAME.test(value))
    errors.push("a valid environment variable name must consist only of printable ASCII characters other than '='")
  return errors
}

export function isHTTPHeaderName(value: string): Complaints {
  return check(value, httpHeader)
}

export function isPercent(value: string): Complaints {
  return check(value, percent)
}

export function isPortNumber(value: number): Complaints {
  return isInRange(value, 1, 65535)
}

export function isInRange(value: number, least: number, most: number): Complaints {
  return value >= least && value <= most ? NONE : [rangeError(least, most)]
}

/** A container port's name: at most 15 of a-z, 0-9 and single hyphens inside, with one letter at least. */
export function isPortName(value: string): Complaints {
  const errors: string[] = []
  if (byteLength(value) > 15) errors.push(maxLengthError(15))
  if (!/^[-a-z0-9]+$/.test(value)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)')
  if (value.includes('--')) errors.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

/** Any name that can be one segment of a path (RBAC's objects). */
export function isPathSegmentName(value: string): Complaints {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return isPathSegmentPrefix(value)
}

export function isPathSegmentPrefix(value: string): Complaints {
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`)
}
