/** URLs as Go's net/url.ParseRequestURI reads them: absolute, or an absolute path. */
import { goQuote } from '../go-text.ts'

export interface Url {
  readonly text: string
  readonly scheme: string
  /** With the port. */
  readonly host: string
  /** Still escaped. */
  readonly path: string
  /** Still escaped, without the question mark. */
  readonly query: string
}

export function parseRequestUri(text: string): Url | { readonly error: string } {
  const refuse = (why: string) => ({ error: `parse ${goQuote(text)}: ${why}` })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\x00-\x1f\x7f]/.test(text)) return refuse('net/url: invalid control character in URL')
  if (text === '') return refuse('empty url')
  const schemed = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)
  if (text.startsWith(':')) return refuse('missing protocol scheme')
  const scheme = (schemed?.[1] ?? '').toLowerCase()
  const rest = schemed === null ? text : text.slice(schemed[0].length)
  if (!rest.startsWith('/')) {
    if (scheme === '') return refuse('invalid URI for request')
    const [opaque = '', query = ''] = divide(rest, '?')
    return { text, scheme, host: '', path: '', query: opaque === '' ? '' : query }
  }
  const [before = '', query = ''] = divide(rest.replace(/#.*$/s, ''), '?')
  const authority = before.startsWith('//') && (scheme !== '' || !before.startsWith('///'))
  const end = authority ? before.indexOf('/', 2) : 0
  const host = authority ? before.slice(2, end < 0 ? undefined : end).replace(/^.*@/s, '') : ''
  const path = authority ? (end < 0 ? '' : before.slice(end)) : before
  const wrong = wrongEscape(path) ?? wrongHost(host)
  return wrong === undefined ? { text, scheme, host, path, query } : refuse(wrong)
}

function divide(text: string, sign: string): readonly [string, string] {
  const at = text.indexOf(sign)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function wrongEscape(text: string): string | undefined {
  const wrong = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(text)
  return wrong === null ? undefined : `invalid URL escape ${goQuote(wrong[0])}`
}

function wrongHost(host: string): string | undefined {
  if (host.startsWith('[') && !host.includes(']')) return "missing ']' in host"
  const bare = host.startsWith('[') ? host.slice(host.indexOf(']') + 1) : host
  const colon = host.startsWith('[') ? bare : bare.includes(':') ? bare.slice(bare.lastIndexOf(':')) : ''
  if (colon !== '' && !/^:\d*$/.test(colon)) return `invalid port ${goQuote(colon)} after host`
  const strange = /[\s<>"\\^`{|}]/.exec(host)
  return strange === null ? undefined : `invalid character ${goQuote(strange[0])} in host name`
}
