import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

export const DEFAULT_DATA_DIR = '/var/lib/wherry'

/** What lies in a data folder. */
export interface Paths {
  readonly dir: string
  readonly cluster: string
  readonly kubeconfig: string
  readonly keys: string
  readonly store: string
  readonly node: string
  readonly run: string
  readonly agent: string
  readonly log: string
}

export function pathsOf(dataDir: string): Paths {
  const dir = real(resolve(dataDir))
  const at = (name: string) => join(dir, name)
  return {
    dir,
    cluster: at('cluster.json'),
    kubeconfig: at('kubeconfig'),
    keys: at('keys'),
    store: at('store'),
    node: at('node'),
    run: at('run.json'),
    agent: at('agent.json'),
    log: at('wherry.log')
  }
}

/** Without symbolic links, so that one folder has one name, also before it is made. */
function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(real(parent), basename(path))
  }
}

/** The option that a command needs to mean this folder, with a blank before it; nothing for the default folder. */
export function dataDirFlag(paths: Paths): string {
  return paths.dir === pathsOf(DEFAULT_DATA_DIR).dir ? '' : ` --data-dir ${quoted(paths.dir)}`
}

/** As a shell takes it. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
