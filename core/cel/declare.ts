/** How functions are declared: overloads with their types, and what computes them. */
import { type Type, typeText } from './type.ts'
import type { Value } from './value.ts'

/** `args` begins with the receiver. Throws CelError. */
export type Compute = (args: readonly Value[]) => Value

export interface Overload {
  readonly id: string
  readonly member: boolean
  /** The receiver's type first. */
  readonly args: readonly Type[]
  readonly result: Type
  /** Undefined: the evaluator does it itself, since it need not evaluate all arguments. */
  readonly compute: Compute | undefined
  /** Type parameters in it, by their names. */
  readonly parameters: readonly string[]
}

export type Functions = ReadonlyMap<string, readonly Overload[]>

export interface Signature {
  readonly args: readonly Type[]
  readonly result: Type
}

/** "name(…)" as a global function. */
export function global(id: string, signature: readonly [...Type[], Type], compute?: Compute): Overload {
  return overload(id, signature, { member: false, compute })
}

/** "receiver.name(…)"; the receiver's type stands first, the result's last. */
export function member(id: string, signature: readonly [...Type[], Type], compute?: Compute): Overload {
  return overload(id, signature, { member: true, compute })
}

function overload(
  id: string,
  signature: readonly Type[],
  { member, compute }: { member: boolean; compute: Compute | undefined }
): Overload {
  const args = signature.slice(0, -1)
  const result = signature.at(-1)
  if (result === undefined) throw new Error(`${id} has no result`)
  const parameters = new Set<string>()
  const collect = (type: Type): void => {
    if (type.kind === 'param') parameters.add(type.name)
    type.params.forEach(collect)
  }
  for (const type of signature) collect(type)
  return { id, member, args, result, compute, parameters: [...parameters] }
}

/** Joins libraries: overloads of one name come together, in the libraries' order. */
export function joinFunctions(...libraries: readonly Readonly<Record<string, readonly Overload[]>>[]): Functions {
  const joined = new Map<string, readonly Overload[]>()
  for (const library of libraries) {
    for (const [name, overloads] of Object.entries(library)) {
      joined.set(name, [...(joined.get(name) ?? []), ...overloads])
    }
  }
  return joined
}

/** "string.(int)" or "(int, string)". */
export function signatureText(args: readonly Type[], isMember: boolean): string {
  const [receiver, ...rest] = args
  const prefix = isMember && receiver !== undefined ? `${typeText(receiver)}.` : ''
  return `${prefix}(${(isMember ? rest : args).map(typeText).join(', ')})`
}
