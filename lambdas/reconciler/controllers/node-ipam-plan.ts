/** Which range of addresses a node's pods get. Pure. */

/** A range of IPv4 addresses: its first, as a number, and how many there are (a power of two). */
export interface Range {
  readonly first: number
  readonly size: number
}

/** Bits of each node's range: 256 addresses for 110 pods, as kube-controller-manager's --node-cidr-mask-size. */
const NODE_BITS = 24

/** Throws where the text is no IPv4 range ("10.244.0.0/16"). */
export function parseRange(text: string): Range {
  const [address = '', bits = ''] = text.split('/')
  const octets = address.split('.').map(Number)
  const length = Number(bits)
  const wrong = octets.length !== 4 || octets.some((octet) => !(Number.isInteger(octet) && octet >= 0 && octet < 256))
  if (wrong || bits === '' || !(Number.isInteger(length) && length >= 0 && length <= 32))
    throw new Error(`${text} is no range of IPv4 addresses`)
  const size = 2 ** (32 - length)
  const number = octets.reduce((sum, octet) => sum * 256 + octet, 0)
  return { first: number - (number % size), size }
}

export function rangeText({ first, size }: Range): string {
  const octets = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256)
  return `${octets.join('.')}/${32 - Math.log2(size)}`
}

export interface RangeWish {
  /** The cluster's: "10.244.0.0/16". */
  readonly cluster: string
  /** Ranges of others, of any size. Text that is none takes nothing. */
  readonly taken: readonly string[]
  /** Where to begin to look: any text, the same for the same node. */
  readonly seed: string
}

/**
 * A free /24 of the cluster's range; undefined where all are taken. Nodes begin to look at different places, so that
 * two that come at once seldom want the same, and one that comes back mostly gets what it had.
 */
export function chooseRange({ cluster, taken, seed }: RangeWish): string | undefined {
  const whole = parseRange(cluster)
  const size = Math.min(2 ** (32 - NODE_BITS), whole.size)
  const count = whole.size / size
  const used = new Set<number>()
  for (const { first, size: length } of taken.flatMap(rangeIfAny)) {
    const from = Math.max(0, Math.floor((first - whole.first) / size))
    const to = Math.min(count - 1, Math.floor((first + length - 1 - whole.first) / size))
    for (let index = from; index <= to; index++) used.add(index)
  }
  const start = hash(seed) % count
  for (let step = 0; step < count; step++) {
    const index = (start + step) % count
    if (!used.has(index)) return rangeText({ first: whole.first + index * size, size })
  }
  return undefined
}

function rangeIfAny(text: string): Range[] {
  try {
    return [parseRange(text)]
  } catch {
    return []
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0
  return value
}
