import { eventually, TestCluster } from './cluster.ts'

// The commands that no other Kubernetes has, on a real control plane over its embedded store, with changes of real kubectl.

let cluster: TestCluster

beforeAll(async () => {
  cluster = await TestCluster.start('--control-plane-only')
}, 120_000)

afterAll(async () => {
  await cluster.stop()
}, 60_000)

async function said(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.wherry(command, ...args)
  if (code !== 0) throw new Error(`wherry ${command} ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const versionOf = (name: string) => cluster.k('get', name, '-o', 'jsonpath={.metadata.resourceVersion}')

test('history tells who changed what, diff how it differs, undo takes it back', async () => {
  await cluster.k('create', 'deployment', 'web', '--image=web:1', '--replicas=0')
  await eventually(
    'the controller has seen it',
    async () => (await cluster.k('get', 'deployment/web', '-o', 'jsonpath={.status.observedGeneration}')) === '1'
  )
  const first = await versionOf('deployment/web')
  await cluster.k('set', 'image', 'deployment/web', 'web=web:2')
  await eventually(
    'the controller has seen it',
    async () => (await cluster.k('get', 'deployment/web', '-o', 'jsonpath={.status.observedGeneration}')) === '2'
  )
  const text = await said('history', 'deploy/web')
  expect(text).toMatch(/^VERSION +TIME +WHAT +WHO +CHANGE\n/)
  expect(text).toMatch(/updated +kubectl-set +spec\.template\.spec\.containers\[name=web\]\.image: web:1 -> web:2/)
  expect(text).toMatch(/ \(status\) +status\.observedGeneration: 1 -> 2\n/)
  expect(text).toMatch(/created +kubectl-create\n/)
  const changed = await said('diff', 'deployment.apps/web', '--at', first)
  expect(changed).toMatch(/^--- deployment\.apps\/web version \d+\n\+\+\+ now, version \d+\n@@/)
  expect(changed).toMatch(/\n- +- image: web:1\n\+ +- image: web:2\n/)
  expect(await said('undo', 'deployment/web', '--to', first)).toMatch(
    new RegExp(`^deployment.apps/web is as it was at version ${first}, now \\d+\\n$`)
  )
  expect(await cluster.k('get', 'deployment/web', '-o', 'jsonpath={..image}')).toBe('web:1')
  expect(await said('history', 'deploy/web')).toContain('wherry-undo')
}, 120_000)

test('a deleted object is made again, lists are shown as they were, secrets stay hidden', async () => {
  await cluster.k('create', 'secret', 'generic', 'key', '--from-literal=word=hidden')
  await cluster.k('create', 'configmap', 'settings', '--from-literal=a=1')
  const version = await versionOf('configmap/settings')
  await cluster.k('patch', 'secret', 'key', '-p', '{"stringData":{"word":"changed"}}')
  await cluster.k('delete', 'configmap', 'settings')
  const secret = await said('history', 'secret/key')
  expect(secret).toMatch(/data\.word: \(6 bytes\) -> \(7 bytes\)/)
  expect(secret).not.toMatch(/hidden|changed\b|aGlkZGVu/)
  const list = await said('get', 'cm', '-A', '--at', version)
  expect(list).toMatch(/^NAMESPACE +NAME +DATA +AGE\n/)
  expect(list).toMatch(/default +settings +1 /)
  expect(await said('get', 'configmaps/settings', '--at', version, '-o', 'yaml')).toMatch(/data:\n {2}a: "1"\n/)
  expect(await said('get', 'configmaps', '--at', version, '-o', 'name')).toMatch(/^configmap\/settings$/m)
  const now = await cluster.wherry('get', 'cm/settings', '--at', '0s')
  expect([now.code, now.stderr]).toEqual([1, 'wherry: configmaps "settings" not found\n'])
  expect(await said('undo', 'cm/settings', '--to', version)).toMatch(/^configmap\/settings was gone and is made again/)
  expect(await cluster.k('get', 'configmap/settings', '-o', 'jsonpath={.data.a}')).toBe('1')
}, 120_000)

test('what cannot be told is said clearly', async () => {
  const failed = async (command: string, ...args: string[]) => {
    const { code, stderr } = await cluster.wherry(command, ...args)
    return `${code} ${stderr}`
  }
  expect(await failed('history', 'web')).toMatch(/^2 wherry: expected KIND\/NAME, not "web"/)
  expect(await failed('history', 'boat/x')).toMatch(/^1 wherry: the server doesn't have a resource type "boat"/)
  expect(await failed('history', 'pod/none')).toMatch(/^1 wherry: pods "none" not found/)
  expect(await failed('diff', 'cm/kube-root-ca.crt', '--at', 'noon')).toMatch(
    /^2 wherry: expected a resourceVersion, a time/
  )
  expect(await failed('get', 'pods', '--at', '3650d')).toMatch(/^1 wherry: the log of pods goes back to \d{4}-.*Z only/)
}, 60_000)
