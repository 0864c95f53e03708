import { connect, createServer, type Socket } from 'node:net'

/** A port of loopback that leads to another, and whose connections a test can cut. */
export interface CutProxy {
  readonly port: number
  /** Ends all connections at once. */
  cut(): void
  /** Ends all and takes no new ones until `release`. */
  hold(): void
  release(): void
  close(): Promise<void>
}

export async function cutProxy(target: number): Promise<CutProxy> {
  const open = new Set<Socket>()
  let held = false
  const server = createServer((inward) => {
    if (held) return void inward.destroy()
    const outward = connect(target, '127.0.0.1')
    for (const [socket, other] of [
      [inward, outward],
      [outward, inward]
    ] as const) {
      open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        open.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    port: (server.address() as { port: number }).port,
    cut,
    hold: () => {
      held = true
      cut()
    },
    release: () => {
      held = false
    },
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
