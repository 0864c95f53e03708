import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'

/** Where LMDB's two meta pages say what the file must hold; offsets in a page, from its struct MDB_meta. */
const META = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152, end: 168 } as const
const MAGIC = 0xbeefc0de

/**
 * Throws where the folder's database is not one, or ends before its last page: LMDB maps the file into memory, and a
 * look behind its end would kill the process without a word.
 */
export function checkFile(folder: string): void {
  let file: number
  try {
    file = openSync(join(folder, 'data.mdb'), 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  try {
    const { size } = fstatSync(file)
    if (size === 0) return
    const first = readMeta(file, 0)
    if (first === undefined) throw damaged(folder, 'data.mdb is not a database of wherry')
    const second = readMeta(file, first.pageSize)
    if (second === undefined) throw damaged(folder, 'data.mdb has lost its second page')
    const newest = second.transaction > first.transaction ? second : first
    if ((newest.lastPage + 1) * newest.pageSize > size) throw damaged(folder, 'data.mdb was cut short')
  } finally {
    closeSync(file)
  }
}

export function damaged(folder: string, how: string): Error {
  return new Error(`the data in ${folder} is damaged: ${how}`)
}

function readMeta(
  file: number,
  offset: number
): { pageSize: number; lastPage: number; transaction: number } | undefined {
  const page = Buffer.alloc(META.end)
  if (readSync(file, page, 0, META.end, offset) < META.end) return undefined
  if (page.readUInt32LE(META.magic) !== MAGIC) return undefined
  return {
    pageSize: page.readUInt32LE(META.pageSize),
    lastPage: Number(page.readBigUInt64LE(META.lastPage)),
    transaction: Number(page.readBigUInt64LE(META.transaction))
  }
}

/**
 * Holds the folder for this process until `close`, or until the process ends in whatever way: a socket in Linux's
 * abstract namespace, named by the folder's inode. Throws where another process holds it.
 */
export async function holdFolder(folder: string): Promise<Server | undefined> {
  if (process.platform !== 'linux') return undefined
  const { dev, ino } = statSync(folder)
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new Error(`${folder} is in use by another process`) : error)
    })
    server.listen(`\0wherry-store-${dev}-${ino}`, resolve)
  })
  server.unref()
  return server
}
