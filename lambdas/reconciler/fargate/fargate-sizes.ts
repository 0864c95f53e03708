/** Table: the sizes of Fargate tasks (Amazon ECS Developer Guide, task CPU and memory, 2026). */

interface Size {
  /** Of 1024 a core. */
  readonly cpu: number
  /** MiB: from, to, in steps. */
  readonly memory: readonly [number, number, number]
}

const GIB = 1024

const SIZES: readonly Size[] = [
  { cpu: 256, memory: [512, 1 * GIB, 512] },
  { cpu: 256, memory: [2 * GIB, 2 * GIB, GIB] },
  { cpu: 512, memory: [1 * GIB, 4 * GIB, GIB] },
  { cpu: 1024, memory: [2 * GIB, 8 * GIB, GIB] },
  { cpu: 2048, memory: [4 * GIB, 16 * GIB, GIB] },
  { cpu: 4096, memory: [8 * GIB, 30 * GIB, GIB] },
  { cpu: 8192, memory: [16 * GIB, 60 * GIB, 4 * GIB] },
  { cpu: 16_384, memory: [32 * GIB, 120 * GIB, 8 * GIB] }
]

/** GiB of disk: every task has 20; whoever wants more asks for 21 at least. */
export const DISK = { included: 20, most: 200 } as const
/** Seconds. */
export const LONGEST_STOP = 120

/** The smallest size with at least so much; undefined: none has. `cpu` of 1024 a core, `memory` in MiB. */
export function roundUp(cpu: number, memory: number): { readonly cpu: number; readonly memory: number } | undefined {
  for (const size of SIZES) {
    const [from, to, step] = size.memory
    if (size.cpu < cpu || to < memory) continue
    return { cpu: size.cpu, memory: from + Math.max(0, Math.ceil((memory - from) / step)) * step }
  }
  return undefined
}
