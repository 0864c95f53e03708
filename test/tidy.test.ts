import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

// The agreed style as a test: who may import whom, how long files and functions are, where the clock may be read.

const home = join(import.meta.dirname, '..')
const FOLDERS = ['core', 'store', 'lambdas', 'node-agent', 'cli', 'infra', 'test', 'bench'].filter((folder) =>
  existsSync(join(home, folder))
)
const LONGEST_FILE = 400
const LONGEST_FUNCTION = 70

interface Source {
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

const sources = FOLDERS.flatMap((folder) => readSources(folder))
const isTest = (path: string) => path.startsWith('test/') || path.endsWith('.test.ts') || path.startsWith('bench/')
const product = sources.filter((source) => !isTest(source.path))

function readSources(folder: string): Source[] {
  return readdirSync(join(home, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const file = join(entry.parentPath, entry.name)
      const text = readFileSync(file, 'utf8')
      return { path: relative(home, file), text, imports: importsOf(file, text) }
    })
}

/** Paths of our own files that `text` imports, relative to the project. */
function importsOf(file: string, text: string): string[] {
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map((match) => match[1] ?? '')
  return found.map((path) => relative(home, join(dirname(file), path)))
}

/** What a file may import, by where it stands; the first row that matches counts. */
const LAYERS: readonly { readonly of: RegExp; readonly may: RegExp }[] = [
  { of: /^core\//, may: /^core\// },
  { of: /^store\//, may: /^(core|store)\// },
  // The composition of the control plane on AWS, and the functions that it runs in.
  { of: /^lambdas\/cloud\//, may: /^(core|store|lambdas\/(api|cloud))\// },
  { of: /^lambdas\/api\/handler\.ts$/, may: /^(core|store|lambdas\/(api|cloud))\// },
  { of: /^lambdas\/api\//, may: /^(core\/|lambdas\/api\/|store\/store\.ts$)/ },
  { of: /^lambdas\/(reconciler|scheduler)\/handler\.ts$/, may: /^(core|store|lambdas)\// },
  { of: /^lambdas\/reconciler\//, may: /^(core|lambdas\/reconciler)\// },
  { of: /^lambdas\/scheduler\//, may: /^(core|lambdas\/scheduler)\// },
  { of: /^node-agent\//, may: /^(core|node-agent)\// },
  { of: /^cli\//, may: /^((core|store|lambdas|node-agent|cli)\/|infra\/names\.ts$)/ },
  { of: /^infra\//, may: /^(infra\/|lambdas\/\w+\/triggers\.ts$|core\/triggers\.ts$|node-agent\/aws\/user-data\.ts$)/ }
]

/** Entry files construct the real clock, randomness and connections; nobody else may reach for them. */
const ENTRIES =
  /^(cli\/|node-agent\/(aws\/)?main\.ts$|lambdas\/\w+\/handler\.ts$|core\/system-ports\.ts$|core\/kinds\/generate-types\.ts$)/
const BARE = /\b(Date\.now\(|new Date\(\)|Math\.random\(|randomUUID\(|setTimeout\(|setInterval\(|performance\.now\()/

test('each folder imports only what its place in the design allows', () => {
  const wrong = product.flatMap((source) => {
    const layer = LAYERS.find((one) => one.of.test(source.path))
    return source.imports
      .filter((path) => layer === undefined || !layer.may.test(path))
      .map((path) => `${source.path} imports ${path}`)
  })
  expect(wrong).toEqual([])
})

test('nothing imports a test', () => {
  const wrong = product.filter((source) => source.imports.some(isTest)).map((source) => source.path)
  expect(wrong).toEqual([])
})

test('only entry files read the clock, randomness or ids', () => {
  const wrong = product.flatMap((source) => {
    if (ENTRIES.test(source.path)) return []
    const lines = source.text.split('\n')
    return lines.flatMap((line, index) =>
      BARE.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line) ? [`${source.path}:${index + 1} ${line.trim()}`] : []
    )
  })
  expect(wrong).toEqual([])
})

test('files are short enough to read', () => {
  const wrong = product
    .filter((source) => !isTable(source))
    .map((source) => ({ path: source.path, lines: source.text.split('\n').length }))
    .filter((source) => source.lines > LONGEST_FILE)
    .map((source) => `${source.path}: ${source.lines} lines`)
  expect(wrong).toEqual([])
})

test('functions are short enough to read', () => {
  expect(product.filter((source) => !isTable(source)).flatMap(longFunctions)).toEqual([])
})

test('file names are kebab-case', () => {
  const wrong = sources.map((source) => source.path).filter((path) => !/^[a-z0-9/.-]+$/.test(path))
  expect(wrong).toEqual([])
})

test('no barrel files and no parameter lists beyond three', () => {
  expect(sources.filter((source) => /^export \* from/m.test(source.text)).map((source) => source.path)).toEqual([])
  expect(product.flatMap(wideFunctions)).toEqual([])
})

/** A file that says it is a table, in its first comment, may be longer. */
function isTable(source: Source): boolean {
  return source.path === 'core/kinds/types.ts' || /^\/\*\* Table[:.]/m.test(source.text.slice(0, 400))
}

const FUNCTION = /^(\s*)(?:export )?(?:async )?function\*? (\w+)/
const METHOD = /^(\s*)(?:(?:private|static|override|async) )*\*?(\w+)[(<].*\)(?:: [^=]+)? \{$/

/** Named functions and methods whose body, by indentation, is too long. */
function longFunctions(source: Source): string[] {
  const lines = source.text.split('\n')
  return lines.flatMap((line, start) => {
    const opening = FUNCTION.exec(line) ?? METHOD.exec(line)
    if (opening === null || /^\s*(if|for|while|switch|return|catch)\b/.test(line)) return []
    const end = lines.findIndex((other, index) => index > start && other === `${opening[1]}}`)
    return end - start > LONGEST_FUNCTION ? [`${source.path}:${start + 1} ${opening[2]}: ${end - start} lines`] : []
  })
}

function wideFunctions(source: Source): string[] {
  const found = [...source.text.matchAll(/^\s*(?:export )?(?:async )?function\*? (\w+)(?:<[^>(]*>)?\(/gm)]
  return found.flatMap((match) => {
    const count = countParameters(source.text.slice(match.index + match[0].length))
    return count > 3 ? [`${source.path} ${match[1]}: ${count} parameters`] : []
  })
}

/** Parameters up to the parenthesis that closes the list; commas within a parameter's pattern or type do not count. */
function countParameters(text: string): number {
  let depth = 0
  let commas = 0
  let last = ''
  for (const [index, letter] of [...text.slice(0, 2_000)].entries()) {
    if (letter === ')' && depth === 0) return last === '' ? 0 : commas + (last === ',' ? 0 : 1)
    if ('([{<'.includes(letter)) depth++
    else if (')]}'.includes(letter) || (letter === '>' && text[index - 1] !== '=')) depth--
    else if (letter === ',' && depth === 0) commas++
    if (letter.trim() !== '') last = letter
  }
  return commas + 1
}
