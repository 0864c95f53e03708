import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bundledTool } from '../../cli/kubectl.ts'
import { describeWith, lacksForNode } from '../requires.ts'
import { eventually, IMAGE, TestCluster } from './cluster.ts'

// Real kubectl 1.35 against a whole cluster: each command that the main job needs, with what it prints.

const web = (image: string, replicas = 3) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: ${image}
        command: [sh, -c, 'echo started; trap "exit 0" TERM; while true; do date; sleep 1; done']
        env: [{name: COLOR, value: red}]
`

describeWith(lacksForNode(), 'kubectl', () => {
  let cluster: TestCluster
  const k = (...args: string[]) => cluster.k(...args)

  beforeAll(async () => {
    cluster = await TestCluster.start()
    await cluster.loadImage()
  }, 120_000)
  afterAll(async () => await cluster.stop(), 60_000)

  test('version and cluster-info', async () => {
    expect(await k('version')).toMatch(/Client Version: v1\.35.*\n.*\nServer Version: v1\.35/)
    expect(await k('cluster-info')).toContain(`https://127.0.0.1:${cluster.port}`)
  })

  test('apply creates, says unchanged, then configured', async () => {
    expect(await cluster.apply(web(IMAGE))).toBe('deployment.apps/web created\n')
    expect(await cluster.apply(web(IMAGE))).toBe('deployment.apps/web unchanged\n')
    expect(await cluster.apply(web(IMAGE).replace('value: red', 'value: blue'))).toBe(
      'deployment.apps/web configured\n'
    )
    expect(await k('rollout', 'status', 'deployment/web', '--timeout=60s')).toContain(
      'deployment "web" successfully rolled out'
    )
  }, 90_000)

  test('get -o wide', async () => {
    const lines = (await k('get', 'deployments', '-o', 'wide')).trimEnd().split('\n')
    expect(lines[0]).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR$/)
    expect(lines[1]).toMatch(/^web +3\/3 +3 +3 +\d+s +web +wherry\.local\/busybox:1 +app=web$/)
    await eventually(
      'only the new pods',
      async () => (await k('get', 'pods', '-o', 'name')).trim().split('\n').length === 3
    )
    const pods = (await k('get', 'pods', '-o', 'wide')).trimEnd().split('\n')
    expect(pods[0]).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES$/)
    expect(pods[1]).toMatch(/^web-[a-z0-9]+-[a-z0-9]{5} +1\/1 +Running +0 +\d+s +10\.\d+\.0\.\d+ +\S+ +<none> +<none>$/)
    expect(await k('get', 'nodes', '-o', 'wide')).toMatch(/ Ready +<none> +\S+ +v1\.35\S* .*containerd:\/\/1\./)
    expect(await k('get', 'all')).toMatch(
      /pod\/web-[\s\S]*service\/kubernetes[\s\S]*deployment\.apps\/web[\s\S]*replicaset\.apps\/web-/
    )
  })

  test('describe tells of conditions and events', async () => {
    const deployment = await k('describe', 'deployment', 'web')
    expect(deployment).toMatch(/Replicas: +3 desired \| 3 updated \| 3 total \| 3 available \| 0 unavailable/)
    expect(deployment).toMatch(/Available +True +MinimumReplicasAvailable/)
    expect(deployment).toMatch(
      /Normal +ScalingReplicaSet .*deployment-controller +Scaled up replica set web-\S+ from 0 to 3/
    )
    const pod = await k('describe', 'pod', '-l', 'app=web')
    for (const reason of ['Scheduled', 'Pulled', 'Created', 'Started'])
      expect(pod).toMatch(new RegExp(`Normal +${reason}`))
    expect(pod).toMatch(/QoS Class: +BestEffort/)
    expect(await k('describe', 'node')).toMatch(/Allocated resources:/)
  })

  test('logs, --tail, --since, --previous and -f', async () => {
    const name = (await k('get', 'pods', '-l', 'app=web', '-o', 'name')).split('\n')[0] ?? ''
    expect((await k('logs', name)).split('\n')[0]).toBe('started')
    expect((await k('logs', name, '--tail=1')).trim().split('\n')).toHaveLength(1)
    expect((await k('logs', name, '--timestamps', '--tail=1')).trim()).toMatch(/^\d{4}-\d\d-\d\dT\S+Z /)
    const none = await cluster.kubectl(['logs', name, '--previous'])
    expect(none.stderr).toContain('previous terminated container "web" in pod')
    const follow = spawn(await bundledTool('kubectl'), ['logs', '-f', name, '--tail=1'], {
      env: { ...process.env, KUBECONFIG: join(cluster.dir, 'kubeconfig') }
    })
    let text = ''
    follow.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    await eventually('three followed lines', async () => text.trim().split('\n').length >= 3)
    follow.kill('SIGKILL')
  }, 30_000)

  test('logs of several containers and pods', async () => {
    const container = (name: string, script: string) =>
      `{name: ${name}, image: "${IMAGE}", command: [sh, -c, "${script}"]}`
    await cluster.apply(`
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {logs: several}}
spec:
  terminationGracePeriodSeconds: 1
  initContainers: [${container('init', 'echo from init')}]
  containers: [${container('a', 'echo from a; sleep 3600')}, ${container('b', 'echo from b; sleep 1; exit 3')}]
---
apiVersion: v1
kind: Pod
metadata: {name: once, labels: {logs: several}}
spec: {restartPolicy: Never, containers: [${container('c', 'echo out; sleep 0.2; echo err >&2')}]}
`)
    await k('wait', 'pod/once', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=20s')
    const restarted = 'jsonpath={.status.containerStatuses[?(@.name=="b")].restartCount}'
    await eventually('a restart', async () => (await k('get', 'pod', 'two', '-o', restarted)) !== '0')
    expect(await k('logs', 'once')).toBe('out\nerr\n')
    const sorted = async (...args: string[]) => (await k('logs', ...args)).trim().split('\n').sort()
    expect(await sorted('two', '--all-containers')).toEqual(['from a', 'from b', 'from init'])
    expect(await sorted('-l', 'logs=several', '--all-containers', '--prefix', '--tail=1')).toEqual([
      '[pod/once/c] err',
      '[pod/two/a] from a',
      '[pod/two/b] from b',
      '[pod/two/init] from init'
    ])
    expect(await k('logs', 'two', '-c', 'b', '--previous')).toBe('from b\n')
    expect(await k('logs', 'two', '-c', 'a', '--limit-bytes=4')).toBe('from')
    expect(await k('logs', 'two', '-c', 'a', '--since-time=2020-01-01T00:00:00Z')).toBe('from a\n')
    // Follows until the containers have ended, and no longer.
    expect(await k('logs', '-f', 'once', '--prefix')).toBe('[pod/once/c] out\n[pod/once/c] err\n')
    const watched = await cluster.kubectl(['events', '--watch', '--for', 'pod/once', '--request-timeout=1s'])
    expect(watched.stdout).toMatch(/Scheduled +Pod\/once[\s\S]*Started +Pod\/once/)
    expect(await k('get', 'pods', '--field-selector=status.phase=Succeeded', '-o', 'name')).toBe('pod/once\n')
    expect(await k('describe', 'pod', 'two')).toMatch(/Last State: +Terminated\n +Reason: +Error\n +Exit Code: +3/)
    expect(await k('delete', 'pod', '-l', 'logs=several', '--now')).toBe(
      'pod "once" deleted from default namespace\npod "two" deleted from default namespace\n'
    )
  }, 60_000)

  test('set image, rollout status, history and undo', async () => {
    await k('set', 'image', 'deployment/web', 'web=wherry.local/none:1')
    const stuck = await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=3s'])
    expect(stuck.code).toBe(1)
    expect(stuck.stdout).toMatch(
      /Waiting for deployment "web" rollout to finish: 1 out of 3 new replicas have been updated/
    )
    await eventually('an image error', async () =>
      /ErrImagePull|ImagePullBackOff|ErrImageNeverPull/.test(await k('get', 'pods'))
    )
    expect(await k('get', 'deployment', 'web', '-o', 'jsonpath={.status.availableReplicas}')).toBe('3')
    expect(await k('rollout', 'undo', 'deployment/web')).toBe('deployment.apps/web rolled back\n')
    expect(await k('rollout', 'status', 'deployment/web', '--timeout=60s')).toContain('successfully rolled out')
    expect((await k('rollout', 'history', 'deployment/web')).trim().split('\n').length).toBeGreaterThan(2)
    expect(await k('rollout', 'restart', 'deployment/web')).toBe('deployment.apps/web restarted\n')
    expect(await k('rollout', 'status', 'deployment/web', '--timeout=60s')).toContain('successfully rolled out')
    await k('rollout', 'pause', 'deployment/web')
    await k('set', 'env', 'deployment/web', 'COLOR=green')
    const updated = () => k('get', 'deployment', 'web', '-o', 'jsonpath={.status.updatedReplicas}')
    await eventually('no pod of the new template while paused', async () => (await updated()) !== '3')
    await k('rollout', 'resume', 'deployment/web')
    expect(await k('rollout', 'status', 'deployment/web', '--timeout=60s')).toContain('successfully rolled out')
  }, 150_000)

  test('scale, and wait until it is done', async () => {
    expect(await k('scale', 'deployment/web', '--replicas=1')).toBe('deployment.apps/web scaled\n')
    await k('wait', 'deployment/web', '--for=jsonpath={.status.replicas}=1', '--timeout=30s')
    await k('scale', 'deployment/web', '--replicas=2', '--current-replicas=1')
    await k('wait', 'deployment/web', '--for=condition=Available', '--timeout=30s')
    const wrong = await cluster.kubectl(['scale', 'deployment/web', '--replicas=2', '--current-replicas=7'])
    expect(wrong.code).toBe(1)
  }, 60_000)

  test('label, annotate and edit through patch', async () => {
    expect(await k('label', 'deployment', 'web', 'tier=front')).toBe('deployment.apps/web labeled\n')
    expect(await k('get', 'deployments', '-l', 'tier in (front,back)', '-o', 'name')).toBe('deployment.apps/web\n')
    expect(await k('label', 'deployment', 'web', 'tier-')).toBe('deployment.apps/web unlabeled\n')
    expect(await k('annotate', 'deployment', 'web', 'note=hello')).toBe('deployment.apps/web annotated\n')
    expect(await k('patch', 'deployment', 'web', '-p', '{"spec":{"minReadySeconds":1}}')).toBe(
      'deployment.apps/web patched\n'
    )
    expect(await k('patch', 'deployment', 'web', '-p', '{"spec":{"minReadySeconds":1}}')).toBe(
      'deployment.apps/web patched (no change)\n'
    )
    await k(
      'patch',
      'deployment',
      'web',
      '--type=json',
      '-p',
      '[{"op":"replace","path":"/spec/minReadySeconds","value":0}]'
    )
    const editor = cluster.writeFile(
      'editor.sh',
      '#!/bin/sh\nsed -i "s/minReadySeconds: .*//; s/note: hello/note: edited/" "$1"\n'
    )
    process.env.KUBE_EDITOR = `sh ${editor}`
    expect(await k('edit', 'deployment', 'web')).toBe('deployment.apps/web edited\n')
    delete process.env.KUBE_EDITOR
    expect(await k('get', 'deployment', 'web', '-o', 'jsonpath={.metadata.annotations.note}')).toBe('edited')
  }, 30_000)

  test('events, of a namespace and for an object', async () => {
    expect(await k('events')).toMatch(/LAST SEEN +TYPE +REASON +OBJECT +MESSAGE/)
    expect(await k('events', '--for', 'deployment/web')).toMatch(/ScalingReplicaSet +Deployment\/web/)
    expect(await k('get', 'events', '--field-selector', 'reason=Scheduled', '-o', 'name')).toMatch(/^event\//)
  })

  test('auth can-i, whoami and RBAC as another user', async () => {
    expect(await k('auth', 'can-i', 'delete', 'nodes')).toBe('yes\n')
    expect((await cluster.kubectl(['auth', 'can-i', 'get', 'pods', '--as=carol'])).stdout).toBe('no\n')
    await k('create', 'role', 'reader', '--verb=get,list', '--resource=pods')
    await k('create', 'rolebinding', 'reader', '--role=reader', '--user=carol')
    expect(await k('auth', 'can-i', 'list', 'pods', '--as=carol')).toBe('yes\n')
    expect(await k('auth', 'can-i', '--list', '--as=carol')).toMatch(/pods +\[\] +\[\] +\[get list\]/)
    expect(await k('auth', 'whoami')).toMatch(/Username +kubernetes-admin/)
    const refused = await cluster.kubectl(['get', 'secrets', '--as=carol'])
    expect(refused.stderr).toBe(
      'Error from server (Forbidden): secrets is forbidden: User "carol" cannot list resource "secrets" in API group "" in the namespace "default"\n'
    )
  })

  test('explain and api-resources', async () => {
    const explained = await k('explain', 'deployment.spec.strategy')
    expect(explained).toMatch(/^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1/)
    expect(explained).toContain('rollingUpdate')
    expect(await k('explain', 'pod.spec.containers', '--recursive')).toContain('imagePullPolicy')
    const resources = await k('api-resources')
    expect(resources).toMatch(/deployments +deploy +apps\/v1 +true +Deployment/)
    expect(resources).not.toContain('nodeledgers')
    expect(await k('api-versions')).toContain('apps/v1')
  })

  test('create of the usual kinds, from literals and from files', async () => {
    await k('create', 'configmap', 'conf', '--from-literal=a=1')
    await k('create', 'secret', 'generic', 'pass', '--from-literal=p=w')
    await k('create', 'serviceaccount', 'robot')
    await k('create', 'deployment', 'idle', `--image=${IMAGE}`, '--replicas=0')
    await k('expose', 'deployment', 'idle', '--port=80')
    expect(await k('get', 'service', 'idle')).toMatch(/idle +ClusterIP +10\.\d+\.\d+\.\d+ +<none> +80\/TCP/)
    expect((await k('create', 'token', 'robot')).split('.')).toHaveLength(3)
    const dry = await k('create', 'namespace', 'x', '--dry-run=server', '-o', 'name')
    expect(dry).toBe('namespace/x\n')
    expect((await cluster.kubectl(['get', 'namespace', 'x'])).stderr).toContain('NotFound')
    const unknown = await cluster.kubectl(['apply', '-f', '-'], web(IMAGE).replace('replicas:', 'replica:'))
    expect(unknown.stderr).toContain('unknown field "spec.replica"')
  })

  test('diff, get --watch output and delete', async () => {
    const diff = await cluster.kubectl(['diff', '-f', '-'], web(IMAGE, 5))
    expect(diff.code).toBe(1)
    expect(diff.stdout).toMatch(/\+ +replicas: 5/)
    expect(await k('delete', 'deployment', 'web')).toMatch(/^deployment\.apps "web" deleted/)
    await k('wait', '--for=delete', 'pod', '-l', 'app=web', '--timeout=30s')
    expect((await cluster.kubectl(['get', 'pods', '-l', 'app=web'])).stderr).toBe(
      'No resources found in default namespace.\n'
    )
    expect((await cluster.kubectl(['get', 'deployment', 'web'])).stderr).toBe(
      'Error from server (NotFound): deployments.apps "web" not found\n'
    )
  }, 60_000)

  test('a namespace is deleted with everything in it', async () => {
    await k('create', 'namespace', 'team')
    await k('create', 'deployment', 'idle', `--image=${IMAGE}`, '-n', 'team')
    await k('create', 'configmap', 'conf', '-n', 'team')
    expect(await k('delete', 'namespace', 'team', '--timeout=60s')).toMatch(/^namespace "team" deleted/)
    expect((await cluster.kubectl(['get', 'namespace', 'team'])).stderr).toContain('NotFound')
  }, 90_000)

  test('cordon, drain and uncordon', async () => {
    const node = (await k('get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}')).trim()
    await cluster.apply(web(IMAGE, 1))
    await k('wait', 'deployment/web', '--for=condition=Available', '--timeout=30s')
    await k('drain', node, '--ignore-daemonsets', '--timeout=60s', '--force')
    expect(await k('get', 'nodes')).toMatch(/Ready,SchedulingDisabled/)
    await eventually('the reason in an event', async () =>
      /FailedScheduling.*0\/1 nodes are available: 1 node\(s\) were unschedulable/.test(await k('events'))
    )
    expect(await k('get', 'pods', '-l', 'app=web')).toMatch(/Pending/)
    await k('uncordon', node)
    await k('wait', 'deployment/web', '--for=condition=Available', '--timeout=30s')
  }, 120_000)
})
