/** Lists of quantities by resource name. */
import { parseQuantity, quantityText } from '../quantity.ts'
import type { Quantity } from './types.ts'

export type ResourceList = Record<string, Quantity>

const MILLI = 1_000_000n

/** Kubernetes keeps nothing finer than a thousandth in such lists: what is, is rounded up. */
export function roundResources(list: ResourceList | undefined): void {
  for (const name in list) {
    const { nano, format } = parseQuantity(list[name] ?? 0)
    const rest = nano % MILLI
    if (rest !== 0n) list[name] = quantityText({ nano: nano - rest + (rest > 0n ? MILLI : 0n), format })
  }
}
