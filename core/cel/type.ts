/** The types of CEL: what the checker infers, and what declarations of variables and functions say. */

export type TypeKind =
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'timestamp'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'list'
  | 'map'
  | 'struct'
  | 'opaque'
  | 'type'
  | 'param'

export interface Type {
  readonly kind: TypeKind
  /** Two structs, opaque types or parameters of the same name are the same. */
  readonly name: string
  readonly params: readonly Type[]
  /** Of a struct: a field's type; undefined where it has none of that name. */
  readonly field?: ((name: string) => Type | undefined) | undefined
}

const simple = (kind: TypeKind, name: string = kind): Type => ({ kind, name, params: [] })

export const BOOL = simple('bool')
export const INT = simple('int')
export const UINT = simple('uint')
export const DOUBLE = simple('double')
export const STRING = simple('string')
export const BYTES = simple('bytes')
export const NULL = simple('null', 'null_type')
export const TIMESTAMP = simple('timestamp', 'google.protobuf.Timestamp')
export const DURATION = simple('duration', 'google.protobuf.Duration')
export const DYN = simple('dyn')
export const ERROR = simple('error', '*error*')
export const TYPE = simple('type')

export const listOf = (element: Type): Type => ({ kind: 'list', name: 'list', params: [element] })
export const mapOf = (key: Type, value: Type): Type => ({ kind: 'map', name: 'map', params: [key, value] })
export const param = (name: string): Type => ({ kind: 'param', name, params: [] })
export const opaque = (name: string, ...params: Type[]): Type => ({ kind: 'opaque', name, params })
export const optionalOf = (value: Type): Type => opaque('optional_type', value)
export const typeOf = (value: Type): Type => ({ kind: 'type', name: 'type', params: [value] })

export function structOf(name: string, field: (name: string) => Type | undefined): Type {
  return { kind: 'struct', name, params: [], field }
}

export function elementOf(type: Type): Type {
  return type.params[0] ?? DYN
}

export function unwrapOptional(type: Type): Type | undefined {
  return type.kind === 'opaque' && type.name === 'optional_type' ? elementOf(type) : undefined
}

/** As cel-go's messages name a type. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case 'duration':
    case 'timestamp':
    case 'null':
      return type.kind
    case 'error':
      return '!error!'
    default:
      return type.params.length === 0 ? type.name : `${type.name}(${type.params.map(typeText).join(', ')})`
  }
}

export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true
  if (a.kind !== b.kind || a.name !== b.name || a.params.length !== b.params.length) return false
  return a.params.every((one, i) => sameType(one, b.params[i] ?? DYN))
}

const isDyn = ({ kind }: Type) => kind === 'dyn' || kind === 'error'

/** What is known of type parameters so far; a candidate is tried on a copy. */
export class Mapping {
  private bound: ReadonlyMap<string, Type>

  constructor(bound: ReadonlyMap<string, Type> = new Map()) {
    this.bound = bound
  }

  find(type: Type): Type | undefined {
    return type.kind === 'param' ? this.bound.get(type.name) : undefined
  }

  /** Binds what must be bound where a value of `from` may stand for `to`; false, and nothing bound, where it may not. */
  assign(from: readonly Type[], to: readonly Type[]): boolean {
    const before = this.bound
    this.bound = new Map(before)
    if (this.all(from, to)) return true
    this.bound = before
    return false
  }

  substitute(type: Type, unboundToDyn: boolean): Type {
    const known = this.find(type)
    if (known !== undefined) return this.substitute(known, unboundToDyn)
    if (type.kind === 'param') return unboundToDyn ? DYN : type
    if (type.params.length === 0) return type
    return { ...type, params: type.params.map((one) => this.substitute(one, unboundToDyn)) }
  }

  private all(from: readonly Type[], to: readonly Type[]): boolean {
    return from.length === to.length && from.every((one, i) => this.one(one, to[i] ?? DYN))
  }

  private one(a: Type, b: Type): boolean {
    if (b.kind === 'param') {
      const { valid, known } = this.bind(a, b)
      if (valid) return true
      if (known) return false
    }
    if (a.kind === 'param') return this.bind(b, a).valid
    if (isDyn(a) || isDyn(b)) return true
    if (a.kind === 'null') return isNullable(b)
    if (b.kind === 'null') return isNullable(a)
    if (a.kind === 'type') return b.kind === 'type'
    if (a.kind === 'opaque' || a.kind === 'list' || a.kind === 'map')
      return a.kind === b.kind && a.name === b.name && this.all(a.params, b.params)
    return a.kind === b.kind && a.name === b.name
  }

  private bind(type: Type, parameter: Type): { valid: boolean; known: boolean } {
    if (sameType(type, parameter)) return { valid: true, known: true }
    const known = this.find(parameter)
    if (known !== undefined) {
      if (sameType(type, known)) return { valid: true, known: true }
      if (!this.one(type, known)) return { valid: false, known: true }
      this.set(parameter, mostGeneral(type, known))
      return { valid: true, known: true }
    }
    if (this.occurs(parameter, type)) return { valid: false, known: false }
    this.set(parameter, type)
    return { valid: true, known: false }
  }

  private set(parameter: Type, type: Type): void {
    if (!this.occurs(parameter, type)) (this.bound as Map<string, Type>).set(parameter.name, type)
  }

  private occurs(parameter: Type, within: Type): boolean {
    if (within.kind === 'param') {
      if (within.name === parameter.name) return true
      const known = this.find(within)
      return known !== undefined && this.occurs(parameter, known)
    }
    return within.params.some((one) => this.occurs(parameter, one))
  }
}

function isNullable({ kind }: Type): boolean {
  return (
    kind === 'opaque' ||
    kind === 'struct' ||
    kind === 'duration' ||
    kind === 'timestamp' ||
    kind === 'null' ||
    kind === 'dyn'
  )
}

/** Of two types that unify. */
export function mostGeneral(a: Type, b: Type): Type {
  return isLessSpecific(a, b) ? a : b
}

function isLessSpecific(a: Type, b: Type): boolean {
  if (a.kind === 'dyn' || a.kind === 'param') return true
  if (b.kind === 'dyn' || b.kind === 'param' || a.kind !== b.kind) return false
  if (a.name !== b.name || a.params.length !== b.params.length) return false
  return a.params.every((one, i) => isLessSpecific(one, b.params[i] ?? DYN))
}
