import { Agent, request } from 'node:https'
import { TestCluster } from './cluster.ts'

// The control plane is killed under full write load, again and again. No acknowledged write may be lost, and a watch
// that resumes from the last version it saw must deliver every later change once, in order.

const ROUNDS = 6
const WRITERS = 16

interface Event {
  type: string
  object: { metadata: { name: string; resourceVersion: string }; data?: { round: string } }
}

class Api {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 64, rejectUnauthorized: false })
  private readonly port: number
  private readonly token: string

  constructor(port: number, token: string) {
    this.port = port
    this.token = token
  }

  call(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...this.options(path), method }, (answer) => {
        let text = ''
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString()
        })
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
        answer.on('error', reject)
        answer.on('aborted', () => reject(new Error('aborted')))
      })
      outgoing.on('error', reject)
      outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** Hands each event of a watch to `onEvent` until the connection ends; returns the status. */
  watch(path: string, onEvent: (event: Event) => void): Promise<number> {
    return new Promise((resolve) => {
      const outgoing = request(this.options(path), (answer) => {
        let rest = ''
        answer.on('data', (chunk: Buffer) => {
          const lines = (rest + chunk.toString()).split('\n')
          rest = lines.pop() ?? ''
          for (const line of lines) onEvent(JSON.parse(line) as Event)
        })
        const end = () => resolve(answer.statusCode ?? 0)
        answer.on('end', end)
        answer.on('error', end)
        answer.on('aborted', end)
      })
      outgoing.on('error', () => resolve(0))
      outgoing.end()
    })
  }

  private options(path: string) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }
    return { host: '127.0.0.1', port: this.port, path, headers, agent: this.agent }
  }
}

test('killed under write load: nothing acknowledged is lost, watches resume where they broke off', async () => {
  const cluster = await TestCluster.start('--control-plane-only')
  try {
    const token = (await cluster.wherry('token', '--user', 'admin', '--group', 'system:masters')).stdout.trim()
    const path = '/api/v1/namespaces/default/configmaps'
    const api = new Api(cluster.port, token)
    const list = JSON.parse((await api.call('GET', path)).text) as { metadata: { resourceVersion: string } }
    const acknowledged = new Map<string, string>()
    const seen: Event[] = []
    const problems: string[] = []
    let done = false

    const watcher = (async () => {
      let from = list.metadata.resourceVersion
      while (!done) {
        await api.watch(`${path}?watch=1&allowWatchBookmarks=true&resourceVersion=${from}`, (event) => {
          if (event.type === 'ERROR') problems.push(JSON.stringify(event))
          else from = event.object.metadata.resourceVersion
          if (event.type !== 'BOOKMARK') seen.push(event)
        })
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()

    for (let round = 0; round < ROUNDS; round++) {
      let stop = false
      const writer = async (id: number) => {
        for (let i = 0; !stop; i++) {
          const name = `r${round}-w${id}-${i}`
          const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { round: String(round) } }
          const answer = await api.call('POST', path, body).catch(() => undefined)
          if (answer?.status === 201) {
            acknowledged.set(name, (JSON.parse(answer.text) as Event['object']).metadata.resourceVersion)
          } else if (answer !== undefined) problems.push(answer.text)
          else return
        }
      }
      const writers = Array.from({ length: WRITERS }, (_, id) => writer(id))
      await new Promise((resolve) => setTimeout(resolve, 400 + round * 137))
      process.kill(cluster.running().pid, 'SIGKILL')
      stop = true
      await Promise.all(writers)
      await cluster.up('--control-plane-only')
    }

    const items = (JSON.parse((await api.call('GET', path)).text) as { items: Event['object'][] }).items
    const stored = new Map(items.map((item) => [item.metadata.name, item.metadata.resourceVersion]))
    await api.call('DELETE', `${path}/kube-root-ca.crt`)
    const last = Math.max(...items.map((item) => Number(item.metadata.resourceVersion)))
    const end = Date.now() + 10_000
    while (Number(seen.at(-1)?.object.metadata.resourceVersion ?? 0) < last && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    done = true
    process.kill(cluster.running().pid, 'SIGKILL')
    await watcher

    expect(problems).toEqual([])
    expect(acknowledged.size).toBeGreaterThan(ROUNDS * 100)
    expect([...acknowledged].filter(([name, version]) => stored.get(name) !== version)).toEqual([])
    const versions = seen.map((event) => Number(event.object.metadata.resourceVersion))
    expect(versions.every((version, index) => index === 0 || version > (versions[index - 1] ?? 0))).toBe(true)
    const created = new Set(seen.filter((event) => event.type === 'ADDED').map((event) => event.object.metadata.name))
    expect([...stored.keys()].filter((name) => name !== 'kube-root-ca.crt' && !created.has(name))).toEqual([])
  } finally {
    await cluster.stop()
  }
}, 120_000)
