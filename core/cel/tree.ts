/** An expression as a tree, macros expanded. The checker writes what it found into it. */
import type { Overload } from './declare.ts'
import type { Type } from './type.ts'
import type { Value } from './value.ts'

export const ACCUMULATOR = '@result'

interface Node {
  /** Where it stands, in UTF-16 units. */
  readonly offset: number
  /** Set by the checker. */
  type?: Type
}

export type Expr =
  | (Node & { readonly kind: 'const'; readonly value: Value })
  | (Node & { readonly kind: 'ident'; name: string; constant?: Value })
  | (Node & {
      readonly kind: 'select'
      readonly operand: Expr
      readonly field: string
      readonly test: boolean
      readonly optional: boolean
      /** The checker took the whole chain for one variable or type. */
      resolved?: Expr & { readonly kind: 'ident' }
    })
  | (Node & {
      readonly kind: 'call'
      fn: string
      target: Expr | undefined
      readonly args: readonly Expr[]
      overloads?: readonly Overload[]
    })
  | (Node & { readonly kind: 'list'; readonly elements: readonly Expr[]; readonly optional: ReadonlySet<number> })
  | (Node & { readonly kind: 'map'; readonly entries: readonly MapEntry[] })
  | (Node & { readonly kind: 'struct'; readonly name: string; readonly fields: readonly StructField[] })
  | (Node & {
      readonly kind: 'fold'
      readonly range: Expr
      readonly variable: string
      readonly variable2: string
      readonly accumulator: string
      readonly init: Expr
      readonly condition: Expr
      readonly step: Expr
      readonly result: Expr
    })

export interface MapEntry {
  readonly key: Expr
  readonly value: Expr
  readonly optional: boolean
}

export interface StructField {
  readonly name: string
  readonly value: Expr
  readonly optional: boolean
  readonly offset: number
}

/** The expressions right below one. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'const':
    case 'ident':
      return []
    case 'select':
      return [expr.operand]
    case 'call':
      return expr.target === undefined ? expr.args : [expr.target, ...expr.args]
    case 'list':
      return expr.elements
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value])
    case 'struct':
      return expr.fields.map(({ value }) => value)
    case 'fold':
      return [expr.range, expr.init, expr.condition, expr.step, expr.result]
  }
}
