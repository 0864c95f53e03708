/** JSONPath of printer columns and selectable fields, as client-go's templates find one value (".spec.a[0]['b']"). */
import { isObject } from '../json.ts'

type Step = (values: readonly unknown[]) => readonly unknown[]

/** Finds the first value; undefined: none. Throws Error where the path is none. */
export function jsonPath(path: string): (object: unknown) => unknown {
  const steps = parse(path)
  return (object) => {
    let values: readonly unknown[] = [object]
    for (const step of steps) values = step(values)
    return values[0]
  }
}

function parse(path: string): readonly Step[] {
  const steps: Step[] = []
  let rest = path.startsWith('$') ? path.slice(1) : path
  while (rest !== '') {
    const [step, length] = next(rest)
    steps.push(step)
    rest = rest.slice(length)
  }
  return steps
}

const NAME = /^\.?((?:[^.[\]\\\s]|\\.)+)/
const QUOTED = /^\[(['"])((?:(?!\1).)*)\1\]/
const SLICE = /^\[(-?\d*)(?::(-?\d*))?(?::(-?\d*))?\]/
const FILTER = /^\[\?\(\s*@\.?([^=!<>\s]+)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\)\]/
const EXISTS = /^\[\?\(\s*@\.?([^=!<>\s)]+)\s*\)\]/

function next(text: string): readonly [Step, number] {
  if (text.startsWith('..')) {
    const name = /^\.\.((?:[^.[\]\\\s]|\\.)+)/.exec(text)
    if (name !== null) return [descend(unescaped(name[1] ?? '')), name[0].length]
  }
  if (text.startsWith('[*]')) return [all, 3]
  if (text.startsWith('.*')) return [all, 2]
  if (text === '.') return [(values) => values, 1]
  const quoted = QUOTED.exec(text)
  if (quoted !== null) return [field(quoted[2] ?? ''), quoted[0].length]
  const filter = FILTER.exec(text)
  if (filter !== null) return [filtered(filter[1] ?? '', filter[2] ?? '==', literal(filter[3] ?? '')), filter[0].length]
  const exists = EXISTS.exec(text)
  if (exists !== null) return [having(exists[1] ?? ''), exists[0].length]
  const slice = SLICE.exec(text)
  if (slice !== null) return [elements(slice), slice[0].length]
  const name = NAME.exec(text)
  if (name === null) throw new Error(`unrecognized column definition ${JSON.stringify(text)}`)
  return [field(unescaped(name[1] ?? '')), name[0].length]
}

const unescaped = (text: string) => text.replace(/\\(.)/g, '$1')

function field(name: string): Step {
  return (values) => values.flatMap((value) => (isObject(value) && Object.hasOwn(value, name) ? [value[name]] : []))
}

const all: Step = (values) =>
  values.flatMap((value) => (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []))

function descend(name: string): Step {
  const find = (value: unknown): unknown[] => {
    if (Array.isArray(value)) return value.flatMap(find)
    if (!isObject(value)) return []
    const own = Object.hasOwn(value, name) ? [value[name]] : []
    return [...own, ...Object.values(value).flatMap(find)]
  }
  return (values) => values.flatMap(find)
}

function elements([, first = '', last, step = '']: readonly (string | undefined)[]): Step {
  return (values) =>
    values.flatMap((value) => {
      if (!Array.isArray(value)) return []
      const list = value as readonly unknown[]
      if (last === undefined) {
        const found = list.at(Number(first))
        return found === undefined ? [] : [found]
      }
      const cut = list.slice(first === '' ? 0 : Number(first), last === '' ? undefined : Number(last))
      return step === '' || Number(step) <= 1 ? cut : cut.filter((_, i) => i % Number(step) === 0)
    })
}

function literal(text: string): unknown {
  const quoted = /^(['"])(.*)\1$/.exec(text)
  if (quoted !== null) return quoted[2]
  if (text === 'true' || text === 'false') return text === 'true'
  return Number.isNaN(Number(text)) ? text : Number(text)
}

function below(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce((at: unknown, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), value)
}

const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : isObject(value) ? [value] : [])

function filtered(path: string, operator: string, wanted: unknown): Step {
  const holds = (found: unknown): boolean => {
    if (operator === '==') return found === wanted
    if (operator === '!=') return found !== undefined && found !== wanted
    if (typeof found !== typeof wanted || found === undefined) return false
    const [a, b] = [found as number, wanted as number]
    return operator === '<' ? a < b : operator === '<=' ? a <= b : operator === '>' ? a > b : a >= b
  }
  return (values) => values.flatMap((value) => items(value).filter((item) => holds(below(item, path))))
}

function having(path: string): Step {
  return (values) => values.flatMap((value) => items(value).filter((item) => below(item, path) !== undefined))
}
