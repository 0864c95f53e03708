/** A node's first steps: its Node is there, and the cluster has given it addresses for its pods. */
import type { Client } from '../../core/client.ts'
import type { Doorbell } from '../../core/doorbell.ts'
import { isReason } from '../../core/errors.ts'
import { nodes } from '../../core/kinds/refs.ts'
import type { Node } from '../../core/kinds/types.ts'
import { type Ports, sleep } from '../../core/ports.ts'

export interface JoinOptions {
  readonly client: Client
  readonly ports: Ports
  readonly doorbell: Doorbell
  readonly signal: AbortSignal
}

const FIRST_LOOK_MS = 200
const LONGEST_LOOK_MS = 15_000

/** Makes the Node, or takes the one that an earlier agent made, and resolves with its range. Rejects on abort only. */
export async function joinCluster(node: Node, options: JoinOptions): Promise<string> {
  const { client, ports, doorbell, signal } = options
  const { name = '' } = node.metadata
  let rung = new AbortController()
  const remove = doorbell.listen(nodes, () => rung.abort())
  try {
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 2, LONGEST_LOOK_MS)) {
      signal.throwIfAborted()
      rung = new AbortController()
      try {
        const present = (await client.find(nodes, { name })) ?? (await create(client, node))
        const range = present.spec?.podCIDR ?? ''
        if (range !== '') return range
      } catch (error) {
        ports.log.warn({ error: String(error) }, 'this node could not join the cluster yet')
      }
      await sleep(ports.clock, pause * (0.5 + ports.random.next()), AbortSignal.any([signal, rung.signal]))
    }
  } finally {
    remove()
  }
}

async function create(client: Client, node: Node): Promise<Node> {
  try {
    return await client.create(nodes, node)
  } catch (error) {
    if (isReason(error, 'AlreadyExists')) return await client.get(nodes, { name: node.metadata.name ?? '' })
    throw error
  }
}
