import { describeWith, lacksForNode } from '../requires.ts'
import { eventually, execute, IMAGE, TestCluster } from './cluster.ts'

// The first thing a newcomer does: up, demo, and the example answers everywhere it should.

interface Pods {
  items: { metadata: { name: string }; status: { phase: string; podIP: string } }[]
}

describeWith(lacksForNode(), 'a newcomer', () => {
  let cluster: TestCluster

  beforeAll(async () => {
    cluster = await TestCluster.start()
  }, 120_000)
  afterAll(async () => await cluster.stop(), 60_000)

  const fetchFrom = async (url: string) => (await execute('curl', ['-sS', '--max-time', '3', url])).stdout.trim()

  test('./wherry demo runs three pods behind a Service', async () => {
    const outcome = await cluster.wherry('demo')
    expect(outcome.stderr).toBe('')
    expect(outcome.code).toBe(0)
    const pods = await cluster.json<Pods>('get', 'pods', '-l', 'app=web')
    expect(pods.items.map((pod) => pod.status.phase)).toEqual(['Running', 'Running', 'Running'])
  }, 60_000)

  test('the ClusterIP and the node port answer on the host, from all three pods', async () => {
    const pods = await cluster.json<Pods>('get', 'pods', '-l', 'app=web')
    const names = pods.items.map((pod) => pod.metadata.name).sort()
    const service = await cluster.json<{ spec: { clusterIP: string; ports: { nodePort: number }[] } }>(
      'get',
      'service',
      'web'
    )
    for (const url of [`http://${service.spec.clusterIP}`, `http://127.0.0.1:${service.spec.ports[0]?.nodePort}`]) {
      const answers = await Promise.all(Array.from({ length: 60 }, () => fetchFrom(url)))
      expect([...new Set(answers)].sort()).toEqual(names)
      for (const name of names) expect(answers.filter((answer) => answer === name).length).toBeGreaterThan(5)
    }
  }, 60_000)

  test('the Service answers by its DNS names from another pod', async () => {
    await cluster.k('run', 'asker', `--image=${IMAGE}`, '--restart=Never', '--command', '--', 'sh', '-c', ASK)
    await cluster.k('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/asker', '--timeout=30s')
    const answers = (await cluster.k('logs', 'asker')).trim().split('\n')
    expect(answers).toHaveLength(4)
    expect(answers.every((answer) => answer.startsWith('web-'))).toBe(true)
    await cluster.k('delete', 'pod', 'asker')
  }, 60_000)

  test('a pod reaches kubernetes.default with its service account', async () => {
    await cluster.k(
      'run',
      'caller',
      `--image=${IMAGE}`,
      '--restart=Never',
      '--command',
      '--',
      'sh',
      '-c',
      'nslookup kubernetes.default.svc.cluster.local; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; nc -w 2 kubernetes.default 443 </dev/null && echo connected'
    )
    await cluster.k('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/caller', '--timeout=30s')
    const said = await cluster.k('logs', 'caller')
    expect(said).toContain('default')
    expect(said).toContain('connected')
    const token = (await cluster.k('create', 'token', 'default')).trim()
    const answer = await execute('curl', [
      '-sk',
      '-H',
      `Authorization: Bearer ${token}`,
      `https://127.0.0.1:${cluster.port}/api/v1/namespaces/default/pods`
    ])
    expect(answer.stdout).toContain('system:serviceaccount:default:default')
  }, 60_000)

  test('down leaves nothing of the cluster on the machine', async () => {
    const { name } = JSON.parse((await execute('cat', [`${cluster.dir}/cluster.json`])).stdout) as { name: string }
    await cluster.wherry('down')
    const left = async () => ({
      mounts: (await execute('cat', ['/proc/self/mounts'])).stdout
        .split('\n')
        .filter((line) => line.includes(cluster.dir)),
      tables: (await execute('nft', ['list', 'tables'])).stdout.split('\n').filter((line) => line.endsWith(` ${name}`)),
      links: (await execute('ip', ['-o', 'link'])).stdout.split('\n').filter((line) => line.includes(`${name}0`)),
      cgroups: (await execute('find', ['/sys/fs/cgroup', '-maxdepth', '3', '-name', name])).stdout,
      processes: (await execute('pgrep', ['-f', cluster.dir])).stdout
    })
    const nothing = { mounts: [], tables: [], links: [], cgroups: '', processes: '' }
    await eventually(
      'everything is gone',
      async () => JSON.stringify(await left()) === JSON.stringify(nothing),
      10_000
    ).catch(async () => expect(await left()).toEqual(nothing))
    await cluster.up()
    await cluster.k('rollout', 'status', 'deployment/web', '--timeout=60s')
  }, 120_000)
})

const ASK =
  'for name in web web.default web.default.svc web.default.svc.cluster.local; do timeout 5 wget -qO- http://$name/ || echo failed $name; done'
