/** Validation of a pod's resolver configuration and of its hosts file. */
import { invalid, required } from '../field-errors.ts'
import { checkIp } from '../ip.ts'
import { isDNS1123Subdomain, regexError } from '../names.ts'
import { checkSubdomain, complaints, type Errors } from './checks.ts'
import type { HostAlias, PodSpec } from './types.ts'

/** Limits of libc's resolver. */
const MOST_NAMESERVERS = 3
const MOST_SEARCHES = 32
const MOST_SEARCH_CHARACTERS = 2048

export function checkDnsConfig({ dnsConfig, dnsPolicy }: PodSpec, path: string, errors: Errors): void {
  if (dnsPolicy === 'None') {
    if (dnsConfig === undefined) {
      errors.push(required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'))
      return
    }
    if ((dnsConfig.nameservers ?? []).length === 0) {
      errors.push(required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
      return
    }
  }
  if (dnsConfig === undefined) return
  const { nameservers = [], searches = [], options = [] } = dnsConfig
  if (nameservers.length > MOST_NAMESERVERS)
    errors.push(invalid(`${path}.nameservers`, nameservers, `must not have more than ${MOST_NAMESERVERS} nameservers`))
  nameservers.forEach((address, i) => {
    checkIp(address, `${path}.nameservers[${i}]`, errors)
  })
  if (searches.length > MOST_SEARCHES)
    errors.push(invalid(`${path}.searches`, searches, `must not have more than ${MOST_SEARCHES} search paths`))
  if (searches.join(' ').length > MOST_SEARCH_CHARACTERS)
    errors.push(
      invalid(
        `${path}.searches`,
        searches,
        `must not have more than ${MOST_SEARCH_CHARACTERS} characters (including spaces) in the search list`
      )
    )
  searches.forEach((search, i) => {
    if (search === '.') return
    const domain = search.endsWith('.') ? search.slice(0, -1) : search
    errors.push(...complaints(`${path}.searches[${i}]`, domain, searchErrors(domain)))
  })
  options.forEach(({ name }, i) => {
    if (!name) errors.push(required(`${path}.options[${i}]`, 'must not be empty'))
  })
}

const UNDERSCORED_LABEL = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const UNDERSCORED = `${UNDERSCORED_LABEL}(\\.${UNDERSCORED_LABEL})*`
const UNDERSCORED_PATTERN = new RegExp(`^${UNDERSCORED}$`)

/** Search domains may have underscores, unlike names of objects. */
function searchErrors(domain: string): string[] {
  const errors = isDNS1123Subdomain(domain).filter((message) => message.startsWith('must be no more'))
  if (!UNDERSCORED_PATTERN.test(domain))
    errors.push(
      regexError(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
        UNDERSCORED,
        'example.com'
      )
    )
  return errors
}

export function checkHostAliases(aliases: readonly HostAlias[], path: string, errors: Errors): void {
  aliases.forEach(({ ip, hostnames }, i) => {
    checkIp(ip ?? '', `${path}[${i}].ip`, errors)
    hostnames?.forEach((name, h) => {
      checkSubdomain(name, `${path}[${i}].hostnames[${h}]`, errors)
    })
  })
}
