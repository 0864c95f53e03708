/** Label and field selectors, as text and as objects, with the errors of k8s.io/apimachinery/pkg/labels and fields. */
import { ApiError } from './errors.ts'
import { errorText, invalid } from './field-errors.ts'
import type { Kind } from './kinds/kind.ts'
import type { LabelSelector } from './kinds/types.ts'
import { isLabelValue, isQualifiedName } from './names.ts'
import type { KubeObject } from './object.ts'

export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!'

export interface LabelRequirement {
  readonly key: string
  readonly operator: LabelOperator
  /** Sorted, each once; empty for exists and "!". */
  readonly values: readonly string[]
}

export type Labels = Readonly<Record<string, string>> | undefined

/** A selector, compiled once; `matches` allocates nothing. */
export interface LabelMatcher {
  readonly requirements: readonly LabelRequirement[]
  /** True where it selects everything: nothing needs to be asked. */
  readonly everything: boolean
  matches(labels: Labels): boolean
}

const EVERYTHING: LabelMatcher = { requirements: [], everything: true, matches: () => true }
const NOTHING: LabelMatcher = { requirements: [], everything: false, matches: () => false }

/** Of a query's labelSelector. Throws BadRequest in Kubernetes' words. */
export function parseLabelSelector(text: string | undefined): LabelMatcher {
  if (text === undefined || text === '') return EVERYTHING
  return compile(parse(new Tokens(text)))
}

/** Of a LabelSelector object: absent selects nothing, an empty one everything. Throws BadRequest for wrong operators. */
export function labelSelectorMatcher(selector: LabelSelector | null | undefined): LabelMatcher {
  if (selector === null || selector === undefined) return NOTHING
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => {
    return { key, operator: '=', values: [value] }
  })
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = Object.hasOwn(OBJECT_OPERATORS, operator) ? OBJECT_OPERATORS[operator] : undefined
    if (known === undefined) throw new ApiError('BadRequest', `"${operator}" is not a valid label selector operator`)
    requirements.push(requirement(key, known, values ?? []))
  }
  return compile(requirements)
}

/** Of a plain map, as a Service's selector: absent or empty selects everything. */
export function labelSetMatcher(set: Labels): LabelMatcher {
  return labelSelectorMatcher(set === undefined ? {} : { matchLabels: set })
}

/** As the scale subresource's status.selector shows it: "app=a,tier in (x,y)". */
export function labelSelectorText(matcher: LabelMatcher): string {
  return matcher.requirements.map(requirementText).join(',')
}

const OBJECT_OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!'
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key
    case '!':
      return `!${key}`
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`
    case 'gt':
      return `${key}>${values.join(',')}`
    case 'lt':
      return `${key}<${values.join(',')}`
    default:
      return `${key}${operator}${values.join(',')}`
  }
}

function compile(unsorted: readonly LabelRequirement[]): LabelMatcher {
  if (unsorted.length === 0) return EVERYTHING
  const requirements = unsorted.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const tests = requirements.map(test)
  const [only] = tests
  if (only !== undefined && tests.length === 1) return { requirements, everything: false, matches: only }
  return { requirements, everything: false, matches: (labels) => tests.every((one) => one(labels)) }
}

function labelOf(labels: Labels, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined
}

function test({ key, operator, values }: LabelRequirement): (labels: Labels) => boolean {
  const [first = ''] = values
  switch (operator) {
    case 'exists':
      return (labels) => labelOf(labels, key) !== undefined
    case '!':
      return (labels) => labelOf(labels, key) === undefined
    case 'gt':
    case 'lt': {
      const bound = integer(first) ?? 0n
      return (labels) => {
        const value = integer(labelOf(labels, key) ?? '')
        return value !== undefined && (operator === 'gt' ? value > bound : value < bound)
      }
    }
    case '=':
    case '==':
      return (labels) => labelOf(labels, key) === first
    case '!=':
      return (labels) => labelOf(labels, key) !== first
    case 'in':
    case 'notin': {
      const set = new Set(values)
      const wanted = operator === 'in'
      return (labels) => {
        const value = labelOf(labels, key)
        return (value !== undefined && set.has(value)) === wanted
      }
    }
  }
}

/** As strconv.ParseInt(text, 10, 64) reads it. */
function integer(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return BigInt.asIntN(64, value) === value ? value : undefined
}

// --- the parser: tokens as apimachinery's lexer cuts them, so that its errors name the same pieces

type TokenKind = 'end' | 'error' | 'word' | LabelOperator | ')' | '(' | ','
interface Token {
  readonly kind: TokenKind
  readonly text: string
}

const SYMBOLS: Readonly<Record<string, TokenKind>> = {
  ')': ')',
  ',': ',',
  '!': '!',
  '==': '==',
  '=': '=',
  '>': 'gt',
  '<': 'lt',
  '!=': '!=',
  '(': '('
}
const BINARY = 'in, notin, =, ==, !=, gt, lt'

class Tokens {
  private readonly tokens: Token[] = []
  private position = 0

  constructor(text: string) {
    const pattern = /[ \t\r\n]*(?:([=!(),><]+)|([^=!(),>< \t\r\n\0]+))/y
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const [, symbols, word] = match
      if (symbols !== undefined) {
        const symbol = longestSymbol(symbols)
        this.tokens.push(symbol)
        pattern.lastIndex -= symbols.length - symbol.text.length
        if (symbol.kind === 'error') break
      } else if (word !== undefined) this.tokens.push({ kind: keyword(word), text: word })
    }
    this.tokens.push({ kind: 'end', text: '' })
  }

  /** Where a key or a value stands, "in" and "notin" are words like others. */
  peek(): Token {
    return asWord(this.tokens[this.position] ?? END)
  }

  next(): Token {
    return asWord(this.nextOperator())
  }

  nextOperator(): Token {
    const token = this.tokens[this.position] ?? END
    this.position++
    return token
  }
}

const END: Token = { kind: 'end', text: '' }

function keyword(word: string): TokenKind {
  return word === 'in' || word === 'notin' ? word : 'word'
}

function asWord(token: Token): Token {
  return token.kind === 'in' || token.kind === 'notin' ? { kind: 'word', text: token.text } : token
}

function longestSymbol(run: string): Token {
  const text = [run.slice(0, 2), run.slice(0, 1)].find((part) => Object.hasOwn(SYMBOLS, part))
  const kind = text === undefined ? undefined : SYMBOLS[text]
  if (text === undefined || kind === undefined) return { kind: 'error', text: `error expected: keyword found '${run}'` }
  return { kind, text }
}

function refuse(message: string): never {
  throw new ApiError('BadRequest', message)
}

function parse(tokens: Tokens): LabelRequirement[] {
  const requirements: LabelRequirement[] = []
  for (;;) {
    const first = tokens.peek()
    if (first.kind === 'end') return requirements
    if (first.kind !== 'word' && first.kind !== '!')
      refuse(`found '${first.text}', expected: !, identifier, or 'end of string'`)
    requirements.push(parseRequirement(tokens))
    const after = tokens.next()
    if (after.kind === 'end') return requirements
    if (after.kind !== ',') refuse(`found '${after.text}', expected: ',' or 'end of string'`)
    const following = tokens.peek()
    if (following.kind !== 'word' && following.kind !== '!')
      refuse(`found '${following.text}', expected: identifier after ','`)
  }
}

const UNPARSED = 'unable to parse requirement: '

function parseRequirement(tokens: Tokens): LabelRequirement {
  const negated = tokens.peek().kind === '!'
  if (negated) tokens.next()
  const key = tokens.next()
  if (key.kind !== 'word') refuse(`${UNPARSED}found '${key.text}', expected: identifier`)
  const wrong = isQualifiedName(key.text)
  if (wrong.length > 0) refuse(`${UNPARSED}${errorText([invalid('<nil>', key.text, wrong.join('; '))])}`)
  const after = tokens.peek().kind
  if (negated) return { key: key.text, operator: '!', values: [] }
  if (after === 'end' || after === ',') return { key: key.text, operator: 'exists', values: [] }
  return parseComparison(key.text, tokens)
}

function parseComparison(key: string, tokens: Tokens): LabelRequirement {
  const { kind, text } = tokens.nextOperator()
  switch (kind) {
    case 'in':
    case 'notin':
      return requirement(key, kind, parseValues(tokens))
    case '=':
    case '==':
    case '!=':
    case 'gt':
    case 'lt':
      return requirement(key, kind, [parseExactValue(tokens)])
    default:
      return refuse(`${UNPARSED}found '${text}', expected: ${BINARY}`)
  }
}

function parseExactValue(tokens: Tokens): string {
  const { kind } = tokens.peek()
  if (kind === 'end' || kind === ',') return ''
  const value = tokens.next()
  return value.kind === 'word' ? value.text : refuse(`${UNPARSED}found '${value.text}', expected: identifier`)
}

/** "(a,,b)": an empty place is the empty value. */
function parseValues(tokens: Tokens): string[] {
  const open = tokens.next()
  if (open.kind !== '(') refuse(`${UNPARSED}found '${open.text}' expected: '('`)
  const first = tokens.peek()
  if (first.kind !== 'word' && first.kind !== ',' && first.kind !== ')')
    refuse(`${UNPARSED}found '${first.text}', expected: ',', ')' or identifier`)
  const values: string[] = []
  let value = ''
  for (;;) {
    const token = tokens.next()
    if (token.kind === 'word') {
      value = token.text
      const after = tokens.peek()
      if (after.kind !== ',' && after.kind !== ')') refuse(`${UNPARSED}found '${after.text}', expected: ',' or ')'`)
    } else if (token.kind === ',' || token.kind === ')') {
      values.push(value)
      value = ''
      if (token.kind === ')') return values
    } else refuse(`${UNPARSED}found '${token.text}', expected: ',', or identifier`)
  }
}

/** Checks values as labels.NewRequirement does; its paths begin at nothing, hence their odd look. */
function requirement(key: string, operator: LabelOperator, given: readonly string[]): LabelRequirement {
  const values = [...new Set(given)].sort()
  const errors = isQualifiedName(key).length > 0 ? [invalid('key', key, isQualifiedName(key).join('; '))] : []
  if ((operator === 'in' || operator === 'notin') && values.length === 0)
    errors.push(invalid('values', values, "for 'in', 'notin' operators, values set can't be empty"))
  if ((operator === 'exists' || operator === '!') && values.length > 0)
    errors.push(invalid('values', values, 'values set must be empty for exists and does not exist'))
  values.forEach((value, index) => {
    if ((operator === 'gt' || operator === 'lt') && integer(value) === undefined)
      errors.push(invalid(`values[${index}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer"))
  })
  values.forEach((value, index) => {
    const wrong = isLabelValue(value)
    if (wrong.length > 0) errors.push(invalid(`values[${index}][${key}]`, value, wrong.join('; ')))
  })
  if (errors.length > 0) refuse(`${UNPARSED}${errorText(errors)}`)
  return { key, operator, values }
}

// --- field selectors

export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/** Of a query's fieldSelector: "a=b,c!=d\,e". Throws BadRequest in Kubernetes' words. */
export function parseFieldSelector(text: string | undefined): FieldRequirement[] {
  if (text === undefined || text === '') return []
  const terms = text.match(/(?:\\[\s\S]|[^\\,]|\\$)+/g) ?? []
  return terms.sort().map((term) => {
    const [operator] = term.match(/!=|==?/) ?? []
    if (operator === undefined) refuse(`invalid selector: '${text}'; can't understand '${term}'`)
    const at = term.indexOf(operator)
    const value = unescapeValue(term.slice(at + operator.length))
    return { field: term.slice(0, at), operator: operator === '!=' ? '!=' : '=', value }
  })
}

function unescapeValue(text: string): string {
  return text.replace(/\\([\s\S]?)|[,=]/g, (found: string, escaped: string | undefined) => {
    // Kubernetes prints the rune's number here, not the character.
    if (escaped === undefined)
      refuse(`invalid field selector: unescaped character in value: ${found.codePointAt(0) ?? 0}`)
    if (!/^[\\,=]$/.test(escaped)) refuse(`invalid field selector: invalid escape sequence: ${found}`)
    return escaped
  })
}

/** A field selector on one kind's objects: its own `fields` and every kind's name and namespace. */
export interface FieldMatcher {
  readonly requirements: readonly FieldRequirement[]
  readonly everything: boolean
  matches(object: KubeObject): boolean
}

/** Throws BadRequest for fields that the kind cannot be selected by. */
export function fieldSelectorMatcher(kind: Kind, text: string | undefined): FieldMatcher {
  const requirements = parseFieldSelector(text)
  const tests = requirements.map(({ field, operator, value }) => {
    const read = fieldReader(kind, field)
    return (object: KubeObject) => (read(object) === value) === (operator === '=')
  })
  return {
    requirements,
    everything: tests.length === 0,
    matches: (object) => tests.every((one) => one(object))
  }
}

function fieldReader(kind: Kind, field: string): (object: KubeObject) => string {
  if (field === 'metadata.name') return (object) => object.metadata.name ?? ''
  if (field === 'metadata.namespace') return (object) => object.metadata.namespace ?? ''
  const fields = kind.rules.fields
  const own = fields !== undefined && Object.hasOwn(fields, field) ? fields[field] : undefined
  if (own !== undefined) return own
  return fields === undefined
    ? refuse(`${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`)
    : refuse(`field label not supported: ${field}`)
}
