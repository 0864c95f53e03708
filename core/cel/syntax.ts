/**
 * From text to a tree. @bufbuild/cel reads the standard grammar and expands its macros; what cel-go's environment in
 * Kubernetes adds (optional selection and elements, macros of two variables, optMap, sortBy) is put around it here.
 */
import { parse as parseStandard } from '@bufbuild/cel'
import { MACROS } from './macros.ts'
import { ACCUMULATOR, type Expr, type MapEntry, type StructField } from './tree.ts'
import { Uint, type Value } from './value.ts'

export interface SyntaxProblem {
  readonly offset: number
  readonly message: string
}

export type Parsed = { readonly expr: Expr } | { readonly problems: readonly SyntaxProblem[] }

/** cel-go refuses longer ones. */
const MAX_CODE_POINTS = 100_000

export function parse(text: string): Parsed {
  if (text.length > MAX_CODE_POINTS) {
    const message = `expression code point size exceeds limit: size: ${text.length}, limit ${MAX_CODE_POINTS}`
    return { problems: [{ offset: -1, message }] }
  }
  const { plain, frames, selections } = withoutOptionals(text)
  let parsed: ReturnType<typeof parseStandard>
  try {
    parsed = parseStandard(plain)
  } catch (error) {
    return { problems: [problemOf(error, text)] }
  }
  const reader = new Reader(text, { positions: parsed.sourceInfo?.positions ?? {}, frames, selections })
  const expr = reader.read(parsed.expr)
  return reader.problems.length > 0 ? { problems: reader.problems } : { expr }
}

const OPERAND =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"

const OPERATOR = /^\s*(?:==|!=|<=|>=|&&|\|\||[-+*/%<>?:.])\s*/

/** In the words of cel-go's parser, as far as they can be told from what this one says. */
function problemOf(error: unknown, text: string): SyntaxProblem {
  const { location, found, rawMessage } = error as {
    location?: { start: { offset: number } }
    found?: string | null
    rawMessage?: string
  }
  const start = location?.start.offset ?? 0
  // It stops before an operator whose right side is missing; cel-go names what stands there instead.
  const operator = OPERATOR.exec(text.slice(start))?.[0] ?? ''
  const offset = start + operator.length
  const rest = text.slice(offset)
  if (found === null || rest.trim() === '') {
    return { offset: text.length, message: `Syntax error: mismatched input '<EOF>' expecting ${OPERAND}` }
  }
  const token = /^(?:[A-Za-z_]\w*|\d+|&&|\|\||[=!<>]=|.)/su.exec(rest.trimStart())?.[0] ?? rest
  const at = offset + (rest.length - rest.trimStart().length)
  const before = text.slice(0, at).trimEnd()
  if (/^[@#$~^&|;=`\\]/.test(token))
    return { offset: at, message: `Syntax error: token recognition error at: '${token}'` }
  if (before === '' || /[-+*/%<>=!&|([{,?:]$/.test(before))
    return { offset: at, message: `Syntax error: extraneous input '${token}' expecting ${OPERAND}` }
  if (/^[)\]}]$/.test(token))
    return { offset: at, message: `Syntax error: extraneous input '${token}' expecting <EOF>` }
  return {
    offset: at,
    message: rawMessage?.startsWith('found') === false ? `Syntax error: ${rawMessage}` : mismatched(token)
  }
}

function mismatched(token: string): string {
  const operators = "'==', '!=', 'in', '<', '<=', '>=', '>', '&&', '||', '[', '{', '.', '-', '?', '+', '*', '/', '%%'"
  return `Syntax error: mismatched input '${token}' expecting {<EOF>, ${operators}}`
}

/** A bracket or brace: which of its elements have a "?". */
type Frame = Set<number>

interface Marks {
  readonly plain: string
  /** By the offset of the opening bracket or brace. */
  readonly frames: ReadonlyMap<number, Frame>
  /** Offsets of the dots of optional selections. */
  readonly selections: ReadonlySet<number>
}

const STRING_START = /^(?:[rRbB]{0,2})("""|'''|"|')/

/** A "?" that follows an opening bracket, a comma or a dot cannot be a condition's: a blank takes its place. */
function withoutOptionals(text: string): Marks {
  const frames = new Map<number, Frame>()
  const selections = new Set<number>()
  if (!text.includes('?')) return { plain: text, frames, selections }
  const open: { frame: Frame; element: number }[] = []
  const plain =
    [...text].length === text.length ? text.split('') : Array.from({ length: text.length }, (_, i) => text.charAt(i))
  let last = { token: '', offset: -1 }
  for (let i = 0; i < text.length; ) {
    const end = skipped(text, i)
    if (end > i) {
      if (!/\s|\//.test(text.charAt(i))) last = { token: 'x', offset: i }
      i = end
      continue
    }
    const letter = text.charAt(i)
    const top = open.at(-1)
    if (letter === '?' && '[{,.'.includes(last.token) && last.token !== '') {
      plain[i] = ' '
      if (last.token === '.') selections.add(last.offset)
      else top?.frame.add(top.element)
    } else {
      if ('[{('.includes(letter)) {
        const frame: Frame = new Set()
        frames.set(i, frame)
        open.push({ frame, element: 0 })
      } else if (']})'.includes(letter)) open.pop()
      else if (letter === ',' && top !== undefined) top.element++
      last = { token: letter, offset: i }
    }
    i++
  }
  return { plain: plain.join(''), frames, selections }
}

/** The end of the blank, comment, string or word that begins here; `from` where none does. */
function skipped(text: string, from: number): number {
  const rest = text.slice(from)
  const blank = /^(?:\s+|\/\/[^\n]*)/.exec(rest)
  if (blank !== null) return from + blank[0].length
  const opening = STRING_START.exec(rest)
  if (opening !== null) {
    const quote = opening[1] ?? '"'
    const raw = /^[rR]|^[bB][rR]/.test(rest)
    for (let i = from + opening[0].length; i < text.length; i++) {
      if (!raw && text.charAt(i) === '\\') i++
      else if (text.startsWith(quote, i)) return i + quote.length
    }
    return text.length
  }
  const word = /^\w+/.exec(rest)
  return word === null ? from : from + word[0].length
}

type StandardExpr = NonNullable<ReturnType<typeof parseStandard>['expr']>

interface Positions {
  readonly positions: Readonly<Record<string, number>>
  readonly frames: ReadonlyMap<number, Frame>
  readonly selections: ReadonlySet<number>
}

class Reader {
  readonly problems: SyntaxProblem[] = []
  private readonly text: string
  private readonly at: Positions
  private unique = 0

  constructor(text: string, at: Positions) {
    this.text = text
    this.at = at
  }

  read(expr: StandardExpr | undefined): Expr {
    if (expr === undefined) return { kind: 'const', value: null, offset: 0 }
    const start = this.at.positions[expr.id.toString()] ?? 0
    const { exprKind } = expr
    switch (exprKind.case) {
      case 'constExpr':
        return { kind: 'const', value: constantOf(exprKind.value.constantKind), offset: this.skipBlank(start) }
      case 'identExpr':
        return { kind: 'ident', name: exprKind.value.name, offset: this.skipBlank(start) }
      case 'selectExpr': {
        const { operand, field, testOnly } = exprKind.value
        const optional = this.at.selections.has(start)
        const offset = testOnly ? this.after(start, '(') : start
        return { kind: 'select', operand: this.read(operand), field, test: testOnly, optional, offset }
      }
      case 'callExpr':
        return this.call(exprKind.value, start)
      case 'listExpr': {
        const elements = exprKind.value.elements.map((one) => this.read(one))
        return { kind: 'list', elements, optional: this.marks(start, elements.length), offset: start }
      }
      case 'structExpr':
        return this.struct(exprKind.value, start)
      case 'comprehensionExpr':
        return this.fold(exprKind.value, start)
      default:
        return { kind: 'const', value: null, offset: start }
    }
  }

  private marks(start: number, count: number): ReadonlySet<number> {
    const marks = this.at.frames.get(start)
    return marks === undefined || count === 0 ? NO_MARKS : marks
  }

  private fold(value: Standard<'comprehensionExpr'>, start: number): Expr {
    return {
      kind: 'fold',
      range: this.read(value.iterRange),
      variable: value.iterVar,
      variable2: '',
      accumulator: ACCUMULATOR,
      init: this.read(value.accuInit),
      condition: this.read(value.loopCondition),
      step: this.read(value.loopStep),
      result: this.read(value.result),
      offset: this.after(start, '(')
    }
  }

  private call({ function: fn, target, args }: Standard<'callExpr'>, start: number): Expr {
    const read = args.map((one) => this.read(one))
    if (/^[A-Za-z]/.test(fn) || fn.includes('.')) {
      const offset = this.after(start, '(')
      const receiver = target === undefined ? undefined : this.read(target)
      const call: Expr & { kind: 'call' } = { kind: 'call', fn, target: receiver, args: read, offset }
      return this.expanded(call)
    }
    const isOptional = fn === '_[_]' && this.at.frames.get(start)?.has(0) === true
    const offset = this.skipBlank(start)
    return { kind: 'call', fn: isOptional ? '_[?_]' : fn, target: undefined, args: read, offset }
  }

  private struct({ messageName: name, entries }: Standard<'structExpr'>, start: number): Expr {
    const brace = name === '' ? start : this.after(start, '{')
    const marks = this.marks(brace, entries.length)
    if (name === '') {
      const read = entries.map((entry, i): MapEntry => {
        const key = this.read(entry.keyKind.case === 'mapKey' ? entry.keyKind.value : undefined)
        return { key, value: this.read(entry.value), optional: marks.has(i) }
      })
      return { kind: 'map', entries: read, offset: start }
    }
    const fields = entries.map((entry, i): StructField => {
      const field = entry.keyKind.case === 'fieldKey' ? entry.keyKind.value : ''
      const offset = this.at.positions[entry.id.toString()] ?? start
      return { name: field, value: this.read(entry.value), optional: marks.has(i), offset }
    })
    return { kind: 'struct', name, fields, offset: brace }
  }

  /** cel-go places operators at their sign. */
  private skipBlank(offset: number): number {
    return offset + (/^(?:\s|\/\/[^\n]*\n)*/.exec(this.text.slice(offset))?.[0].length ?? 0)
  }

  /** cel-go places calls at their parenthesis. */
  private after(offset: number, sign: string): number {
    const found = this.text.indexOf(sign, offset)
    return found < 0 ? offset : found
  }

  private expanded(call: Expr & { kind: 'call' }): Expr {
    const { fn, target, args, offset } = call
    if (fn === 'has' && target === undefined && args.length === 1) {
      return this.refuse(args[0]?.offset ?? offset, 'invalid argument to has() macro')
    }
    const macro = target === undefined ? undefined : MACROS[`${fn}/${args.length}`]
    if (target === undefined || macro === undefined) return call
    const names = args.slice(0, macro.variables).map((one) => (one.kind === 'ident' ? one.name : undefined))
    const wrong = names.indexOf(undefined)
    if (wrong >= 0) return this.refuse(args[wrong]?.offset ?? offset, macro.wrongName)
    const [first = '', second = ''] = names as string[]
    if (macro.variables === 2 && first === second)
      return this.refuse(args[1]?.offset ?? offset, `duplicate variable name: ${first}`)
    this.unique++
    return macro.expand({ target, names: [first, second], args: args.slice(macro.variables), offset, id: this.unique })
  }

  private refuse(offset: number, message: string): Expr {
    this.problems.push({ offset, message })
    return { kind: 'const', value: null, offset }
  }
}

const NO_MARKS: ReadonlySet<number> = new Set()

type Kinds = StandardExpr['exprKind']
type Standard<C extends string> = Extract<Kinds, { case: C }>['value']

function constantOf(constant: Standard<'constExpr'>['constantKind']): Value {
  switch (constant.case) {
    case 'uint64Value':
      return new Uint(constant.value)
    case 'stringValue':
    case 'bytesValue':
    case 'doubleValue':
    case 'boolValue':
    case 'int64Value':
      return constant.value
    default:
      return null
  }
}
