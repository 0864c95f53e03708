import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeWith, lacksForNode } from '../requires.ts'
import { eventually, execute, TestCluster } from './cluster.ts'

// Whatever is killed with SIGKILL, the application is whole again, nothing runs twice, and its Service keeps answering.

interface Pod {
  metadata: { name: string; uid: string }
  status: {
    containerStatuses?: { containerID: string; restartCount: number; ready: boolean; state: { running?: object } }[]
  }
}

/** Asks the Service again and again, and counts what fails. */
class Visitor {
  private readonly url: string
  private readonly outcomes: { at: number; ok: boolean }[] = []
  private running = true
  private readonly loop: Promise<void>

  constructor(url: string) {
    this.url = url
    this.loop = this.visit()
  }

  private async visit(): Promise<void> {
    while (this.running) {
      const ok = await fetch(this.url, { signal: AbortSignal.timeout(2_000), headers: { connection: 'close' } }).then(
        (answer) => answer.text().then((text) => answer.ok && text.startsWith('web-')),
        () => false
      )
      this.outcomes.push({ at: Date.now(), ok })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Requests made, and the longest time in ms from a first failing request to the next that was answered. */
  async stop(): Promise<{ requests: number; longestFailureMs: number }> {
    this.running = false
    await this.loop
    let longest = 0
    let since: number | undefined
    for (const outcome of this.outcomes) {
      if (outcome.ok) since = undefined
      else {
        since ??= outcome.at
        longest = Math.max(longest, outcome.at - since + 1)
      }
    }
    return { requests: this.outcomes.length, longestFailureMs: longest }
  }
}

describeWith(lacksForNode(), 'killed with SIGKILL', () => {
  let cluster: TestCluster
  let url = ''

  beforeAll(async () => {
    cluster = await TestCluster.start()
    const demo = await cluster.wherry('demo')
    if (demo.code !== 0) throw new Error(`${demo.stdout}${demo.stderr}\n${cluster.log()}`)
    const service = await cluster.json<{ spec: { clusterIP: string } }>('get', 'service', 'web')
    url = `http://${service.spec.clusterIP}/`
  }, 120_000)
  afterAll(async () => await cluster.stop(), 60_000)

  const webPods = async () => (await cluster.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')).items
  const containers = (pods: Pod[]) => pods.flatMap((pod) => pod.status.containerStatuses ?? [])
  const allReady = (pods: Pod[]) =>
    pods.length === 3 && containers(pods).every((one) => one.ready && one.state.running !== undefined)
  const ids = (pods: Pod[]) =>
    containers(pods)
      .map((one) => one.containerID)
      .sort()
  const whole = () => eventually('three ready pods', async () => allReady(await webPods()), 30_000)
  /** The httpd processes of this cluster's containers. */
  const servers = async () =>
    (await execute('pgrep', ['-f', '^httpd -f -p 8080 -h /www'])).stdout.trim().split('\n').filter(Boolean).map(Number)

  test("a container's process: restarted in its pod, and only in that one", async () => {
    const before = await webPods()
    const visitor = new Visitor(url)
    process.kill((await servers())[0] ?? 0, 'SIGKILL')
    await eventually('a restart', async () => containers(await webPods()).some((one) => one.restartCount === 1))
    await whole()
    const { requests, longestFailureMs } = await visitor.stop()
    expect(requests).toBeGreaterThan(10)
    expect(longestFailureMs).toBeLessThan(1_500)
    const after = await webPods()
    expect(after.map((pod) => pod.metadata.uid).sort()).toEqual(before.map((pod) => pod.metadata.uid).sort())
    expect(
      containers(after)
        .map((one) => one.restartCount)
        .sort()
    ).toEqual([0, 0, 1])
  }, 60_000)

  test('the agent: the same containers go on, and nothing is started twice', async () => {
    const before = ids(await webPods())
    const visitor = new Visitor(url)
    const agent = JSON.parse(readFileSync(join(cluster.dir, 'agent.json'), 'utf8')) as { pid: number }
    process.kill(agent.pid, 'SIGKILL')
    await eventually(
      'another agent',
      async () =>
        (JSON.parse(readFileSync(join(cluster.dir, 'agent.json'), 'utf8')) as { pid: number }).pid !== agent.pid
    )
    await cluster.k('annotate', 'deployment/web', 'touched=1')
    await cluster.k('run', 'probe', '--image=wherry.local/busybox:1', '--command', '--', 'sleep', '1000')
    await cluster.k('wait', '--for=condition=Ready', 'pod/probe', '--timeout=30s')
    await cluster.k('delete', 'pod', 'probe', '--grace-period=0', '--force')
    expect((await visitor.stop()).longestFailureMs).toBe(0)
    expect(ids(await webPods())).toEqual(before)
    expect(await servers()).toHaveLength(3)
  }, 90_000)

  test('the whole control plane: requests go on, and the next `up` finds the same containers', async () => {
    const before = ids(await webPods())
    const visitor = new Visitor(url)
    process.kill(cluster.running().pid, 'SIGKILL')
    await cluster.up()
    await whole()
    expect((await visitor.stop()).longestFailureMs).toBe(0)
    expect(ids(await webPods())).toEqual(before)
    expect(await servers()).toHaveLength(3)
  }, 90_000)

  test('containerd: started again, pods live on', async () => {
    const before = ids(await webPods())
    const visitor = new Visitor(url)
    const pids = (await execute('pgrep', ['-f', `containerd --config ${cluster.dir}`])).stdout
      .trim()
      .split('\n')
      .map(Number)
    expect(pids).toHaveLength(1)
    process.kill(pids[0] ?? 0, 'SIGKILL')
    await cluster.k('run', 'later', '--image=wherry.local/busybox:1', '--command', '--', 'sleep', '1000')
    await cluster.k('wait', '--for=condition=Ready', 'pod/later', '--timeout=60s')
    await cluster.k('delete', 'pod', 'later', '--grace-period=0', '--force')
    expect((await visitor.stop()).longestFailureMs).toBe(0)
    expect(ids(await webPods())).toEqual(before)
  }, 120_000)

  test('a pod deleted by hand is replaced, with no failing request', async () => {
    const before = await webPods()
    const visitor = new Visitor(url)
    await cluster.k('delete', 'pod', before[0]?.metadata.name ?? '')
    await whole()
    expect((await visitor.stop()).longestFailureMs).toBe(0)
  }, 60_000)
})
