/**
 * Pods on one real node: from `kubectl apply` to Running, ten at once, a killed container, a deleted pod's replacement.
 * Run as root: node bench/pods.ts
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bundledTool } from '../cli/kubectl.ts'
import { execute, IMAGE, TestCluster } from '../test/e2e/cluster.ts'
import { median, print } from './figures.ts'

const ROUNDS = 7

interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string }
  status: { phase?: string; containerStatuses?: { restartCount: number; state: { running?: object } }[] }
}

const cluster = await TestCluster.start()
const kubectl = await bundledTool('kubectl')
const pods = new Map<string, Pod>()
const waiting = new Set<() => void>()

/** Follows all pods; `until` is asked again at each change. */
function follow() {
  const child = spawn(kubectl, ['get', 'pods', '--watch', '--output-watch-events', '-o', 'json'], {
    env: { ...process.env, KUBECONFIG: join(cluster.dir, 'kubeconfig') }
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line) as { type: string; object: Pod }
      if (event.type === 'DELETED') pods.delete(event.object.metadata.uid)
      else pods.set(event.object.metadata.uid, event.object)
      for (const look of waiting) look()
    }
  })
  return child
}

function until(check: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!check()) return
      waiting.delete(look)
      resolve()
    }
    waiting.add(look)
    look()
  })
}

const running = (prefix: string) =>
  [...pods.values()].filter(
    (pod) =>
      pod.metadata.name.startsWith(prefix) &&
      pod.status.phase === 'Running' &&
      pod.metadata.deletionTimestamp === undefined
  )

const pod = (name: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: ${IMAGE}, command: [sleep, "1000"]}]
`

async function timed(work: () => Promise<unknown>, done: () => boolean): Promise<number> {
  const begin = performance.now()
  await work()
  await until(done)
  return (performance.now() - begin) / 1000
}

try {
  await cluster.loadImage()
  const watcher = follow()
  const apply: number[] = []
  const client: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    apply.push(
      await timed(
        () => cluster.apply(pod(`one-${round}`)),
        () => running(`one-${round}`).length === 1
      )
    )
    const begin = performance.now()
    await cluster.apply(pod(`one-${round}`))
    client.push((performance.now() - begin) / 1000)
  }
  print('`kubectl apply` of a pod to Running, median', `${median(apply).toFixed(2)} s`)
  print('  of it kubectl itself (an apply that changes nothing)', `${median(client).toFixed(2)} s`)
  const ten = Array.from({ length: 10 }, (_, index) => pod(`ten-${index}`)).join('---')
  print(
    'ten pods at once to Running',
    `${(
      await timed(
        () => cluster.apply(ten),
        () => running('ten-').length === 10
      )
    ).toFixed(2)} s`
  )

  const kills: number[] = []
  for (let round = 0; round < 3; round++) {
    const name = `one-${round}`
    const restarts = () => running(name)[0]?.status.containerStatuses?.[0]
    const pids = (await execute('pgrep', ['-f', '^sleep 1000'])).stdout.trim().split('\n').map(Number)
    const before = [...pods.values()].reduce(
      (sum, one) => sum + (one.status.containerStatuses?.[0]?.restartCount ?? 0),
      0
    )
    const total = () =>
      [...pods.values()].reduce(
        (sum, one) =>
          sum +
          (one.status.containerStatuses?.[0]?.state.running ? (one.status.containerStatuses[0].restartCount ?? 0) : 0),
        0
      )
    if (restarts() === undefined) throw new Error(`no ${name}`)
    kills.push(
      await timed(
        async () => process.kill(pids[round] ?? 0, 'SIGKILL'),
        () => total() === before + 1
      )
    )
  }
  print('a container killed with SIGKILL, running again, median', `${median(kills).toFixed(2)} s`)

  await cluster.k('create', 'deployment', 'dep', `--image=${IMAGE}`, '--replicas=3', '--', 'sleep', '1000')
  await until(() => running('dep-').length === 3)
  const first = running('dep-')[0]
  const replaced = await timed(
    () => cluster.k('delete', 'pod', first?.metadata.name ?? '', '--grace-period=1', '--wait=false'),
    () => running('dep-').filter((one) => one.metadata.uid !== first?.metadata.uid).length === 3
  )
  print('a deleted pod, its replacement Running', `${replaced.toFixed(2)} s`)
  watcher.kill('SIGKILL')
} finally {
  await cluster.stop()
}
