import { connect } from 'node:net'

const IMAGE = 'localstack/localstack:4'
/** A token of a (free) account, which newer images ask for. */
const TOKEN = 'LOCALSTACK_AUTH_TOKEN'
const PORT = 4566

/** Whether a Docker engine answers where its clients look for one. */
export async function dockerAnswers(): Promise<boolean> {
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock'
  const url = URL.parse(host)
  if (url === null) return false
  const at = url.protocol === 'unix:' ? { path: url.pathname } : { host: url.hostname, port: Number(url.port || 2375) }
  return await new Promise((resolve) => {
    const socket = connect(at)
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(2_000, () => end(false))
    socket.once('error', () => end(false))
    // An engine says so itself: others may hold that socket, too.
    socket.once('connect', () => socket.write('GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n'))
    socket.once('data', (bytes) => end(/^HTTP\/1\.1 200 /.test(bytes.toString())))
  })
}

export interface RunningEmulator {
  /** "http://127.0.0.1:4566" */
  readonly endpoint: string
  /** Resolves when it has ended by itself, where that can be told. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** LocalStack in a container that ends with this process. It starts one more container for each function. */
export async function startLocalstack(): Promise<RunningEmulator> {
  const { LocalstackContainer } = await import('@testcontainers/localstack')
  const token = process.env[TOKEN]
  const container = await new LocalstackContainer(IMAGE)
    .withBindMounts([{ source: '/var/run/docker.sock', target: '/var/run/docker.sock' }])
    .withEnvironment({
      // The functions are for arm64, and run on whatever this machine is: they are JavaScript.
      LAMBDA_IGNORE_ARCHITECTURE: '1',
      ...(token === undefined ? {} : { [TOKEN]: token })
    })
    .start()
  const endpoint = `http://127.0.0.1:${container.getMappedPort(PORT)}`
  return { endpoint, ended: new Promise(() => {}), stop: async () => void (await container.stop()) }
}
