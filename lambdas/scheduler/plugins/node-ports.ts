import { NO_FREE_PORTS, portsConflict } from '../../../core/ledger.ts'
import { type FilterPlugin, refusal } from './plugin.ts'

const REFUSED = refusal(NO_FREE_PORTS, false)

export const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  wakers: ['node', 'room'],
  filter: ({ candidate }) => {
    const wanted = candidate.pod.ports
    if (wanted === undefined) return undefined
    return ({ ports }) =>
      ports.some((taken) => wanted.some((port) => portsConflict(port, taken))) ? REFUSED : undefined
  }
}
