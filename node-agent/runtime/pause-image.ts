/**
 * The image of a pod's sandbox, made here because there is no registry to ask: one static program that reaps what the
 * pod leaves behind (where the containers share its process namespace) and otherwise sleeps.
 */
import { createHash } from 'node:crypto'

export const PAUSE_IMAGE = 'wherry.local/pause:1'

/** A docker-archive (tar) with PAUSE_IMAGE. `architecture`: as Node's process.arch. */
export function pauseArchive(architecture: string): Buffer {
  const platform = architecture === 'arm64' ? 'arm64' : 'amd64'
  const layer = tar([{ name: 'pause', mode: 0o755, content: pauseProgram(platform) }])
  const config = JSON.stringify({
    architecture: platform,
    os: 'linux',
    config: { Entrypoint: ['/pause'], User: '65535:65535' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created_by: 'wherry' }]
  })
  const configName = `${sha256(Buffer.from(config))}.json`
  const manifest = JSON.stringify([{ Config: configName, RepoTags: [PAUSE_IMAGE], Layers: ['layer.tar'] }])
  return tar([
    { name: configName, mode: 0o644, content: Buffer.from(config) },
    { name: 'layer.tar', mode: 0o644, content: layer },
    { name: 'manifest.json', mode: 0o644, content: Buffer.from(manifest) }
  ])
}

/** An ELF executable of one segment: the header, one program header, the code and its sigaction. */
function pauseProgram(platform: 'amd64' | 'arm64'): Buffer {
  const code = platform === 'amd64' ? amd64Code() : arm64Code()
  const base = 0x400000
  const headers = 64 + 56
  const size = headers + code.length
  const elf = Buffer.alloc(size)
  elf.write('\x7fELF', 'latin1')
  elf.set([2, 1, 1], 4) // 64 bits, little endian, version 1
  elf.writeUInt16LE(2, 16) // executable
  elf.writeUInt16LE(platform === 'amd64' ? 62 : 183, 18)
  elf.writeUInt32LE(1, 20)
  elf.writeBigUInt64LE(BigInt(base + headers), 24) // entry
  elf.writeBigUInt64LE(64n, 32) // program headers
  elf.writeUInt16LE(64, 52)
  elf.writeUInt16LE(56, 54)
  elf.writeUInt16LE(1, 56)
  elf.writeUInt32LE(1, 64) // PT_LOAD
  elf.writeUInt32LE(5, 68) // readable, executable
  elf.writeBigUInt64LE(BigInt(base), 80)
  elf.writeBigUInt64LE(BigInt(base), 88)
  elf.writeBigUInt64LE(BigInt(size), 96)
  elf.writeBigUInt64LE(BigInt(size), 104)
  elf.writeBigUInt64LE(0x10000n, 112)
  code.copy(elf, headers)
  return elf
}

/** struct sigaction of the kernel: SIG_IGN for SIGCHLD lets the kernel reap children by itself. */
function ignoreAction(): Buffer {
  const action = Buffer.alloc(32)
  action.writeBigUInt64LE(1n, 0)
  return action
}

/** rt_sigaction(SIGCHLD, &action, NULL, 8); for (;;) pause() */
function amd64Code(): Buffer {
  const code = Buffer.from(
    'b80d000000' + // mov eax, 13
      'bf11000000' + // mov edi, 17
      '488d3514000000' + // lea rsi, [rip + 20]: the action, behind the code
      '31d2' + // xor edx, edx
      '41ba08000000' + // mov r10d, 8
      '0f05' + // syscall
      'b822000000' + // mov eax, 34
      '0f05' + // syscall
      'ebf7', // jmp to the mov before
    'hex'
  )
  const afterLea = 17
  code.writeInt32LE(code.length - afterLea, afterLea - 4)
  return Buffer.concat([code, ignoreAction()])
}

/** rt_sigaction(SIGCHLD, &action, NULL, 8); for (;;) ppoll(NULL, 0, NULL, NULL, 0) */
function arm64Code(): Buffer {
  const move = (register: number, value: number) => 0xd2800000 + (value << 5) + register
  const systemCall = 0xd4000001
  const first = [move(0, 17), 0, move(2, 0), move(3, 8), move(8, 134), systemCall]
  const loop = [move(0, 0), move(1, 0), move(2, 0), move(3, 0), move(4, 0), move(8, 73), systemCall]
  const words = [...first, ...loop, 0x14000000 + (0x4000000 - loop.length)] // b to the loop's start
  // adr x1, action: the distance in bytes from this instruction, which is the second.
  const distance = (words.length - 1) * 4
  words[1] = 0x10000000 + ((distance >> 2) << 5) + 1
  const code = Buffer.alloc(words.length * 4)
  words.forEach((word, index) => {
    code.writeUInt32LE(word, index * 4)
  })
  return Buffer.concat([code, ignoreAction()])
}

interface TarFile {
  readonly name: string
  readonly mode: number
  readonly content: Buffer
}

function tar(files: readonly TarFile[]): Buffer {
  const blocks = files.flatMap(({ name, mode, content }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
    header.write('0000000\0', 108)
    header.write('0000000\0', 116)
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write('        ', 148) // the checksum counts as spaces
    header.write('0', 156)
    header.write('ustar\x0000', 257, 'latin1')
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
