// Runs within an instance's network: what connects to 127.0.0.1:PORT there comes out of a socket of the file system,
// which has no borders of networks. Argument: JSON of {PORT: socket}. Prints a line when all listen; ends with its input.
import { connect, createServer } from 'node:net'

const ways = Object.entries(JSON.parse(process.argv[2]))
for (const [port, socket] of ways) {
  const server = createServer((incoming) => {
    const outgoing = connect(socket)
    incoming.pipe(outgoing).pipe(incoming)
    incoming.on('error', () => outgoing.destroy())
    outgoing.on('error', () => incoming.destroy())
    incoming.on('close', () => outgoing.destroy())
    outgoing.on('close', () => incoming.destroy())
  })
  await new Promise((resolve) => server.listen(Number(port), '127.0.0.1', resolve))
}
process.stdout.write('ready\n')
process.stdin.on('end', () => process.exit(0)).resume()
