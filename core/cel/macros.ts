/** Macros that the standard does not have: of two variables, and those of optional values and of sorting. */
import { ACCUMULATOR, type Expr } from './tree.ts'
import type { Value } from './value.ts'

interface MacroCall {
  readonly target: Expr
  /** The variables; '' where there is only one. */
  readonly names: readonly string[]
  /** What follows the variables. */
  readonly args: readonly Expr[]
  readonly offset: number
  /** Tells one macro's hidden variable from another's. */
  readonly id: number
}

interface Macro {
  /** How many of its arguments are variables. */
  readonly variables: number
  readonly wrongName: string
  readonly expand: (call: MacroCall) => Expr
}

const SIMPLE_NAME = 'argument must be a simple name'

class Maker {
  private readonly offset: number

  constructor(offset: number) {
    this.offset = offset
  }

  constant(value: Value): Expr {
    return { kind: 'const', value, offset: this.offset }
  }

  ident(name: string): Expr {
    return { kind: 'ident', name, offset: this.offset }
  }

  call(fn: string, ...args: Expr[]): Expr {
    return { kind: 'call', fn, target: undefined, args, offset: this.offset }
  }

  member(target: Expr, fn: string, ...args: Expr[]): Expr {
    return { kind: 'call', fn, target, args, offset: this.offset }
  }

  list(...elements: Expr[]): Expr {
    return { kind: 'list', elements, optional: new Set(), offset: this.offset }
  }

  get accumulator(): Expr {
    return this.ident(ACCUMULATOR)
  }

  /** `name` stands for `value` within `result`. */
  bind(name: string, value: Expr, result: Expr): Expr {
    return {
      kind: 'fold',
      range: this.list(),
      variable: '#unused',
      variable2: '',
      accumulator: name,
      init: value,
      condition: this.constant(false),
      step: this.ident(name),
      result,
      offset: this.offset
    }
  }

  fold(call: MacroCall, parts: { init: Expr; condition: Expr; step: Expr; result?: Expr }): Expr {
    const [variable = '', variable2 = ''] = call.names
    const { init, condition, step, result = this.accumulator } = parts
    return {
      kind: 'fold',
      range: call.target,
      variable,
      variable2,
      accumulator: ACCUMULATOR,
      init,
      condition,
      step,
      result,
      offset: this.offset
    }
  }
}

function argument({ args }: MacroCall, index: number): Expr {
  const found = args[index]
  if (found === undefined) throw new Error('a macro without its arguments')
  return found
}

function all(call: MacroCall): Expr {
  const make = new Maker(call.offset)
  return make.fold(call, {
    init: make.constant(true),
    condition: make.call('@not_strictly_false', make.accumulator),
    step: make.call('_&&_', make.accumulator, argument(call, 0))
  })
}

function exists(call: MacroCall): Expr {
  const make = new Maker(call.offset)
  return make.fold(call, {
    init: make.constant(false),
    condition: make.call('@not_strictly_false', make.call('!_', make.accumulator)),
    step: make.call('_||_', make.accumulator, argument(call, 0))
  })
}

function existsOne(call: MacroCall): Expr {
  const make = new Maker(call.offset)
  const more = make.call('_+_', make.accumulator, make.constant(1n))
  return make.fold(call, {
    init: make.constant(0n),
    condition: make.constant(true),
    step: make.call('_?_:_', argument(call, 0), more, make.accumulator),
    result: make.call('_==_', make.accumulator, make.constant(1n))
  })
}

/** `add` is one step's new accumulator; where the macro has a filter, only of what passes it. */
function transform(empty: (make: Maker) => Expr, add: (make: Maker, call: MacroCall, value: Expr) => Expr) {
  return (call: MacroCall): Expr => {
    const make = new Maker(call.offset)
    const filter = call.args.length === 2 ? argument(call, 0) : undefined
    const added = add(make, call, argument(call, call.args.length - 1))
    const step = filter === undefined ? added : make.call('_?_:_', filter, added, make.accumulator)
    return make.fold(call, { init: empty(make), condition: make.constant(true), step })
  }
}

const emptyMap = (): Expr => ({ kind: 'map', entries: [], offset: 0 })

const transformList = transform(
  (make) => make.list(),
  (make, _, value) => make.call('_+_', make.accumulator, make.list(value))
)
const transformMap = transform(emptyMap, (make, { names }, value) =>
  make.call('cel.@mapInsert', make.accumulator, make.ident(names[0] ?? ''), value)
)
const transformMapEntry = transform(emptyMap, (make, _, value) => make.call('cel.@mapInsert', make.accumulator, value))

function optional(wrap: boolean) {
  return (call: MacroCall): Expr => {
    const make = new Maker(call.offset)
    const hidden = `@target${call.id}`
    const found = make.member(make.ident(hidden), 'value')
    const [name = ''] = call.names
    const mapped = make.bind(name, found, argument(call, 0))
    const present = make.member(make.ident(hidden), 'hasValue')
    const result = wrap ? make.call('optional.of', mapped) : mapped
    const choice = make.call('_?_:_', present, result, make.call('optional.none'))
    return make.bind(hidden, call.target, choice)
  }
}

function sortBy(call: MacroCall): Expr {
  const make = new Maker(call.offset)
  const hidden = '@__sortBy_input__'
  const step = make.call('_+_', make.accumulator, make.list(argument(call, 0)))
  const keys = make.fold(
    { ...call, target: make.ident(hidden) },
    { init: make.list(), condition: make.constant(true), step }
  )
  return make.bind(hidden, call.target, make.member(make.ident(hidden), '@sortByAssociatedKeys', keys))
}

const ofTwo = (expand: Macro['expand']): Macro => ({ variables: 2, wrongName: SIMPLE_NAME, expand })
/** The parser expands these itself; they arrive here only where their variable is no name. */
const standard: Macro = { variables: 1, wrongName: SIMPLE_NAME, expand: all }

/** By name and number of arguments. */
export const MACROS: Readonly<Record<string, Macro>> = {
  'all/2': standard,
  'exists/2': standard,
  'exists_one/2': standard,
  'map/2': standard,
  'map/3': standard,
  'filter/2': standard,
  'all/3': ofTwo(all),
  'exists/3': ofTwo(exists),
  'existsOne/3': ofTwo(existsOne),
  'exists_one/3': ofTwo(existsOne),
  'transformList/3': ofTwo(transformList),
  'transformList/4': ofTwo(transformList),
  'transformMap/3': ofTwo(transformMap),
  'transformMap/4': ofTwo(transformMap),
  'transformMapEntry/3': ofTwo(transformMapEntry),
  'transformMapEntry/4': ofTwo(transformMapEntry),
  'optMap/2': { variables: 1, wrongName: 'optMap() variable name must be a simple identifier', expand: optional(true) },
  'optFlatMap/2': {
    variables: 1,
    wrongName: 'optFlatMap() variable name must be a simple identifier',
    expand: optional(false)
  },
  'sortBy/2': { variables: 1, wrongName: SIMPLE_NAME, expand: sortBy }
}
