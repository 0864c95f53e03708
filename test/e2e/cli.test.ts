import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildBusyboxImage, DEMO_IMAGE } from '../../cli/busybox-image.ts'
import { describeWith, lacksForNode } from '../requires.ts'
import { eventually, execute, freePort, type Outcome, WHERRY } from './cluster.ts'

// The command line as a newcomer and an operator meet it: words and exit codes of every command, in every state.

let root: string
let dir: string
let port: number

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'wherry-cli-'))
  dir = join(root, 'a cluster')
  port = await freePort()
})

afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

async function wherry(...args: string[]): Promise<Outcome> {
  return await execute(WHERRY, args, { env: { WHERRY_DATA_DIR: dir }, timeoutMs: 60_000 })
}

/** The words of a command that must succeed. */
async function said(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await wherry(...args)
  if (code !== 0) throw new Error(`wherry ${args.join(' ')} exited with ${code}: ${stdout}${stderr}`)
  return stdout
}

const up = (...args: string[]) => wherry('up', '--detach', '--control-plane-only', ...args)
const wrong = (text: string) => text.split('\n').filter((line) => line.startsWith('wrong'))

describe('words', () => {
  test.each([
    ['', /Commands:\n {2}up/],
    ['up', /--control-plane-only[\s\S]*Examples:/],
    ['down', /--purge[\s\S]*Examples:/],
    ['token', /--group[\s\S]*Examples:/],
    ['kubectl', /--data-dir[\s\S]*Examples:/],
    ['history', /--limit[\s\S]*Examples:/],
    ['diff', /--at[\s\S]*Examples:/],
    ['undo', /--to[\s\S]*Example:/],
    ['get', /--selector[\s\S]*Examples:/],
    ['image load', /<file>[\s\S]*Example:/],
    ['demo', /--data-dir[\s\S]*Example:/],
    ['doctor', /--data-dir[\s\S]*Example:/],
    ['test', /\[names...\][\s\S]*Examples:/]
  ])('wherry %s --help tells how', async (command, expected) => {
    expect(await said(...command.split(' ').filter(Boolean), '--help')).toMatch(expected)
  })

  test.each([
    ['bogus', 2, /unknown command 'bogus'/],
    ['dwon', 2, /Did you mean down\?/],
    ['up --bogus', 2, /unknown option '--bogus'/],
    ['up extra', 2, /too many arguments/],
    ['up --port 0', 2, /A port is a number from 1 to 65535/],
    ['up --port 1e3', 2, /A port is a number/],
    ['token', 2, /--user <name>' not specified/],
    ['token --user x --duration 5y', 2, /Expected a time such as/],
    ['image', 2, /Usage: wherry image/],
    ['image load', 2, /missing required argument 'file'/],
    ['kubectl get pods --data-dir', 2, /--data-dir needs a folder/],
    ['down', 1, /there is no cluster in .*\n.*up --detach/],
    ['down --purge', 1, /there is no cluster in/],
    ['token --user x', 1, /there is no cluster in/],
    ['kubectl get pods', 1, /there is no cluster in/],
    ['demo', 1, /there is no cluster in/],
    ['image load /nowhere', 1, /no such file: \/nowhere/],
    ['doctor', 1, /1 of \d+ checks found something wrong/],
    ['up --data-dir /etc/passwd --control-plane-only', 1, /\/etc\/passwd is not a folder/],
    ['up --data-dir /proc/x --detach --control-plane-only', 1, /no folder can be made at \/proc\/x/]
  ])('wherry %s', async (command, code, expected) => {
    const outcome = await wherry(...command.split(' '))
    expect(outcome.stderr).toMatch(expected)
    expect(outcome.code).toBe(code)
  })

  test.each([
    ['--group', ''],
    ['--group', ' admins'],
    ['--user', 'a\nb']
  ])('a token with %s %j is refused', async (option, value) => {
    const outcome = await wherry('token', '--user', 'x', option, value)
    expect(outcome.stderr).toContain('Expected a name without blanks at its ends or control characters')
    expect(outcome.code).toBe(2)
  })

  test('through a link, from another folder', async () => {
    const link = join(root, 'link')
    symlinkSync(WHERRY, link)
    const outcome = await execute('sh', ['-c', `cd / && '${link}' --version`])
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })
})

describe('the launcher', () => {
  const tools = ['sh', 'dirname', 'readlink', 'uname', 'mkdir', 'cmp', 'cp', 'flock']

  /** A clone with nothing installed, and a PATH with these programs beside the usual ones. */
  async function launch(programs: Record<string, string>): Promise<Outcome> {
    const clone = mkdtempSync(join(root, 'clone-'))
    const path = join(clone, 'path')
    mkdirSync(path)
    for (const tool of tools) symlinkSync((await execute('which', [tool])).stdout.trim(), join(path, tool))
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(path, name), 0o755)
    }
    for (const file of ['wherry', 'package-lock.json'])
      writeFileSync(join(clone, file), readFileSync(join(WHERRY, '..', file)))
    return await execute('sh', [join(clone, 'wherry'), '--version'], { env: { PATH: path } })
  }

  test.each([
    ['no node, no npm', {}, /needs Node.js 24, the PATH has none, and npm to get it/],
    ['an old node, no npm', { node: 'echo v18.20.4' }, /needs Node.js 24, the PATH has v18.20.4, and npm to get it/],
    ['npm fails', { npm: 'echo no network >&2; exit 1' }, /no network\nwherry: npm could not get node-linux-/],
    ['a new node, no npm', { node: 'echo v24.1.0' }, /needs npm to install its packages/],
    ['a new node, npm fails', { node: 'echo v24.1.0', npm: 'exit 1' }, /npm could not install the packages/]
  ])('%s', async (_what, programs, expected) => {
    const outcome = await launch(programs)
    expect(outcome.stderr).toMatch(expected)
    expect(outcome.code).toBe(1)
  })

  test('two first runs at once install one after the other', async () => {
    const clone = mkdtempSync(join(root, 'clone-'))
    const script = 'echo begin >> "$LOG"; sleep 0.3; mkdir -p node_modules; echo end >> "$LOG"'
    mkdirSync(join(clone, 'bin'))
    for (const [name, text] of Object.entries({ npm: script, node: 'echo v24.1.0' })) {
      writeFileSync(join(clone, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    }
    for (const file of ['wherry', 'package-lock.json'])
      writeFileSync(join(clone, file), readFileSync(join(WHERRY, '..', file)))
    const env = { PATH: `${join(clone, 'bin')}:${process.env.PATH}`, LOG: join(clone, 'log') }
    const runs = await Promise.all([1, 2, 3].map(() => execute('sh', [join(clone, 'wherry'), 'up'], { env })))
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(readFileSync(env.LOG, 'utf8')).toBe('begin\nend\n')
  })
})

describe('a control plane', () => {
  beforeAll(async () => {
    const outcome = await up('--port', String(port))
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining(`up at https://127.0.0.1:${port}`) })
  })

  afterAll(async () => {
    await said('down', '--purge')
    expect(existsSync(dir)).toBe(false)
  })

  const pid = () => (JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as { pid: number }).pid

  test('only its owner may read what it wrote', () => {
    const modes = [
      '',
      'cluster.json',
      'kubeconfig',
      'keys',
      'keys/ca.key',
      'keys/user-token.key',
      'store',
      'wherry.log'
    ]
    for (const name of modes) expect([name, statSync(join(dir, name)).mode & 0o077]).toEqual([name, 0])
  })

  test('a second up on the folder, detached or not, names the first', async () => {
    for (const flags of [[], ['--detach']]) {
      const outcome = await wherry('up', '--control-plane-only', ...flags)
      expect(outcome.stderr).toMatch(`already in use by process ${pid()} (https://127.0.0.1:${port})`)
      expect(outcome.code).toBe(1)
    }
  })

  test('another cluster on its port is told whose it is', async () => {
    const other = join(root, 'other')
    const outcome = await up('--port', String(port), '--data-dir', other)
    expect(outcome.stderr).toContain(`port ${port} is already taken by the cluster in ${dir}`)
    expect(outcome.code).toBe(1)
    expect(existsSync(join(other, 'cluster.json'))).toBe(false)
  })

  test('kubectl takes flags, standard input and the folder at its end', async () => {
    expect(await said('kubectl', 'get', 'namespace', 'default', '-o', 'name')).toBe('namespace/default\n')
    expect(await said('kubectl', 'get', 'ns', 'default', '-o', 'name', '--data-dir', dir)).toBe('namespace/default\n')
    const manifest = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"in"}}'
    const applied = await execute(WHERRY, ['kubectl', 'apply', '-f', '-'], {
      env: { WHERRY_DATA_DIR: dir },
      input: manifest
    })
    expect(applied).toMatchObject({ code: 0, stdout: 'configmap/in created\n' })
    expect(await wherry('kubectl', 'get', 'configmap', 'none')).toMatchObject({ code: 1 })
  })

  test('a kubeconfig that is gone is written anew', async () => {
    rmSync(join(dir, 'kubeconfig'))
    expect(wrong((await wherry('doctor')).stdout)).toEqual([expect.stringContaining('kubeconfig is not there')])
    expect(await said('kubectl', 'get', 'namespace', 'default', '-o', 'name')).toBe('namespace/default\n')
  })

  test('a token is its user with its groups, for its time', async () => {
    const whoami = async (...flags: string[]) => {
      const token = (await said('token', '--user', 'jane', ...flags)).trim()
      const review = '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
      const url = `https://127.0.0.1:${port}/apis/authentication.k8s.io/v1/selfsubjectreviews`
      const headers = ['-H', `authorization: Bearer ${token}`, '-H', 'content-type: application/json']
      const { stdout } = await execute('curl', ['-sk', ...headers, '-d', review, url])
      const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
        string,
        number
      >
      return { ...JSON.parse(stdout).status.userInfo, seconds: Number(payload.exp) - Number(payload.iat) }
    }
    expect(await whoami('--group', 'a', '--group', 'b c', '--duration', '15m')).toMatchObject({
      username: 'jane',
      groups: expect.arrayContaining(['a', 'b c']),
      seconds: 900
    })
    expect(await whoami()).toMatchObject({ seconds: 86_400 })
  })

  test('what needs a node says that there is none', async () => {
    const file = join(root, 'file')
    writeFileSync(file, '')
    for (const args of [['image', 'load', file], ['demo']]) {
      expect(await wherry(...args)).toMatchObject({ code: 1, stderr: expect.stringContaining('has no node here') })
    }
  })

  test('the doctor sees that the API hangs, and is content when it does not', async () => {
    expect(await said('doctor')).toContain('ok     the controllers get on with their work')
    process.kill(pid(), 'SIGSTOP')
    const stuck = await wherry('doctor')
    process.kill(pid(), 'SIGCONT')
    expect(wrong(stuck.stdout)).toEqual([expect.stringContaining('no answer within 5 s')])
    expect(stuck.code).toBe(1)
  })

  test('killed, it is told of, started anew over what it left, and found by its port', async () => {
    process.kill(pid(), 'SIGKILL')
    await eventually('it is gone', async () => wrong((await wherry('doctor')).stdout).length === 1)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve))
    const taken = await up()
    expect(taken.stderr).toContain(`port ${port} is already taken by process ${process.pid}`)
    expect(wrong((await wherry('doctor')).stdout)).toEqual([
      expect.stringContaining('the control plane runs: it does not'),
      expect.stringContaining(`port ${port} is free: taken by process ${process.pid}`)
    ])
    await new Promise((resolve) => server.close(resolve))
    const failed = await wherry('kubectl', 'get', 'namespaces')
    expect(failed.stderr).toContain('this cluster is not running\n        start it with: ./wherry up --detach')
    expect(failed.code).toBe(1)
    expect((await up()).code).toBe(0)
    expect(await said('kubectl', 'get', 'configmap', 'in', '-o', 'name')).toBe('configmap/in\n')
  })

  test('a run.json of a process that has its pid from another is no obstacle', async () => {
    await said('down')
    const stale = { pid: process.pid, startTicks: '1', url: 'https://127.0.0.1:1', controlPlaneOnly: true, ready: true }
    for (const name of ['run.json', 'agent.json']) writeFileSync(join(dir, name), JSON.stringify(stale))
    expect(await wherry('down')).toMatchObject({ code: 0 })
    for (const name of ['run.json', 'agent.json']) writeFileSync(join(dir, name), JSON.stringify(stale))
    expect((await up()).code).toBe(0)
  })

  test('another port at a later start is everywhere, and stays', async () => {
    await said('down')
    port = await freePort()
    expect((await up('--port', String(port))).code).toBe(0)
    await said('down')
    expect((await up()).code).toBe(0)
    const path = ['-o', 'jsonpath={.subsets[0].ports[0].port}']
    expect(await said('kubectl', 'get', 'endpoints', 'kubernetes', ...path)).toBe(String(port))
    expect(readFileSync(join(dir, 'kubeconfig'), 'utf8')).toContain(`server: https://127.0.0.1:${port}\n`)
  })

  test.each([
    ['cluster.json', '{', /cluster.json is damaged/],
    ['keys/ca.crt', 'x', /keys\/ca.crt is damaged\n.*restore it from a backup, or remove it/],
    ['keys/sa.key', 'x', /keys\/sa.key is damaged/],
    ['store/data.mdb', 'x'.repeat(20_000), /store is damaged: data.mdb is not a database of wherry/],
    ['store/data.mdb', 8192, /store is damaged: data.mdb was cut short/]
  ])('with a damaged %s it does not start, and says what to do', async (name, damage, expected) => {
    await wherry('down')
    const file = join(dir, name)
    const before = readFileSync(file)
    if (typeof damage === 'number') truncateSync(file, damage)
    else writeFileSync(file, damage)
    const outcome = await up()
    const found = await wherry('doctor')
    writeFileSync(file, before)
    expect(outcome.stderr).toMatch(expected)
    expect(outcome.code).toBe(1)
    expect(wrong(found.stdout)[0]).toContain('damaged')
  })

  test('a damaged cluster.json can be purged', async () => {
    await wherry('down')
    const before = readFileSync(join(dir, 'cluster.json'))
    const copy = join(root, 'copy')
    mkdirSync(copy)
    writeFileSync(join(copy, 'cluster.json'), '{')
    writeFileSync(join(copy, 'mine.txt'), 'not of wherry')
    expect(await wherry('down', '--data-dir', copy)).toMatchObject({ code: 1 })
    expect(await said('down', '--purge', '--data-dir', copy)).toContain('these files are not its own: mine.txt')
    expect(existsSync(join(copy, 'mine.txt'))).toBe(true)
    writeFileSync(join(dir, 'cluster.json'), before)
  })
})

describe('in the foreground', () => {
  let child: ChildProcess
  let text = ''

  async function start(): Promise<void> {
    text = ''
    const flags = ['up', '--control-plane-only', '--data-dir', dir, '--port', String(port)]
    child = spawn(WHERRY, flags, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await eventually('it is up', async () => text.includes('./wherry down'))
  }

  afterAll(async () => {
    await said('down', '--purge')
  })

  test.each([
    ['SIGINT', /Containers go on running:\n.*wherry up.*goes on with them\n.*wherry down.*ends them/],
    ['SIGTERM', /Next:/],
    ['SIGHUP', /Next:/]
  ] as const)('%s ends it cleanly', async (signal, expected) => {
    await start()
    child.kill(signal)
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(text).toMatch(expected)
    expect(existsSync(join(dir, 'run.json'))).toBe(false)
    expect(readFileSync(join(dir, 'wherry.log'), 'utf8')).toMatch(/the control plane has stopped"}\n$/)
  })

  test('down ends one that is still starting', async () => {
    child = spawn(WHERRY, ['up', '--control-plane-only', '--data-dir', dir], { stdio: 'ignore' })
    const gone = once(child, 'exit')
    await eventually('it has begun', async () => existsSync(join(dir, 'run.json')))
    expect(await wherry('down')).toMatchObject({ code: 0 })
    expect(await gone).toEqual([0, null])
  })

  test('a detached start whose command is killed ends or is up, and nothing in between', async () => {
    const command = spawn(WHERRY, ['up', '--detach', '--control-plane-only', '--data-dir', dir], { stdio: 'ignore' })
    await eventually('it has begun', async () => existsSync(join(dir, 'run.json')))
    command.kill('SIGKILL')
    await eventually('it is gone or up', async () => {
      if (!existsSync(join(dir, 'run.json'))) return true
      return (JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')) as { ready: boolean }).ready
    })
    expect(await wherry('down')).toMatchObject({ code: 0 })
  })
})

describeWith(lacksForNode(), 'two clusters with nodes', () => {
  const dirs: string[] = []
  const in_ = (at: number) => dirs[at] ?? ''

  beforeAll(async () => {
    buildBusyboxImage(join(root, 'busybox.tar'))
    for (const name of ['first one', 'second']) {
      const at = join(root, name)
      dirs.push(at)
      await said('up', '--detach', '--data-dir', at, '--port', String(await freePort()))
      await said('image', 'load', join(root, 'busybox.tar'), '--data-dir', at)
    }
  }, 60_000)

  afterAll(async () => {
    for (const at of dirs) await said('down', '--purge', '--data-dir', at)
  }, 60_000)

  const web = (body: string) => `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: ${DEMO_IMAGE}
      command: [sh, -c, 'mkdir /www; echo ${body} > /www/index.html; exec httpd -f -p 8080 -h /www']
      readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: asks}
spec:
  restartPolicy: Never
  containers:
    - name: asks
      image: ${DEMO_IMAGE}
      command: [sh, -c, 'until timeout 2 wget -qO- http://web 2>/dev/null; do sleep 0.2; done']
`

  async function kubectl(at: number, args: string[], input?: string): Promise<string> {
    const outcome = await execute(WHERRY, ['kubectl', '--data-dir', in_(at), ...args], {
      ...(input === undefined ? {} : { input })
    })
    if (outcome.code !== 0) throw new Error(outcome.stderr)
    return outcome.stdout
  }

  const answer = async (at: number) => {
    const address = await kubectl(at, ['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}'])
    return await eventually('the service answers', async () => (await (await fetch(`http://${address}`)).text()).trim())
  }

  test('pods, services and DNS of both work, and the end of one leaves the other whole', async () => {
    for (const at of [0, 1]) {
      await kubectl(at, ['apply', '-f', '-'], web(`cluster${at}`))
      await kubectl(at, ['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/asks', '--timeout=30s'])
      expect(await kubectl(at, ['logs', 'asks'])).toBe(`cluster${at}\n`)
      expect(await answer(at)).toBe(`cluster${at}`)
    }
    expect(wrong((await wherry('doctor', '--data-dir', in_(0))).stdout)).toEqual([])
    await said('down', '--data-dir', in_(0))
    expect(await answer(1)).toBe('cluster1')
    expect(wrong((await wherry('doctor', '--data-dir', in_(1))).stdout)).toEqual([])
  }, 90_000)

  test('the doctor names an agent and a containerd that are gone', async () => {
    const pidIn = (name: string) => (JSON.parse(readFileSync(join(in_(1), name), 'utf8')) as { pid: number }).pid
    process.kill(pidIn('agent.json'), 'SIGSTOP')
    const containerd = pidIn('node/containerd/running.json')
    process.kill(containerd, 'SIGKILL')
    await eventually('containerd is gone', async () => !existsSync(`/proc/${containerd}/exe`))
    const found = wrong((await wherry('doctor', '--data-dir', in_(1))).stdout)
    process.kill(pidIn('agent.json'), 'SIGCONT')
    expect(found).toEqual([
      expect.stringContaining('containerd runs: it does not'),
      expect.stringContaining('DNS answers at')
    ])
    await eventually('all is well again', async () => {
      return wrong((await wherry('doctor', '--data-dir', in_(1))).stdout).length === 0
    })
  }, 60_000)

  test('images: gzip and OCI archives load, what is none is refused', async () => {
    const tar = join(root, 'busybox.tar')
    await execute('sh', ['-c', `gzip -k '${tar}' && head -c 90000 '${tar}' > '${root}/cut.tar'`])
    await execute('skopeo', [
      'copy',
      '--quiet',
      `docker-archive:${tar}`,
      `oci-archive:${root}/oci.tar:wherry.local/oci:2`
    ])
    writeFileSync(join(root, 'text.tar'), 'hello')
    const load = (name: string) => wherry('image', 'load', join(root, name), '--data-dir', in_(1))
    expect(await load('busybox.tar.gz')).toMatchObject({ code: 0, stdout: `${DEMO_IMAGE}\n` })
    expect(await load('oci.tar')).toMatchObject({ code: 0, stdout: 'wherry.local/oci:2\n' })
    for (const name of ['cut.tar', 'text.tar']) {
      const outcome = await load(name)
      expect(outcome.stderr).toMatch(
        new RegExp(`${name} is not an image archive that can be loaded: .*\n.*docker save`)
      )
      expect(outcome.code).toBe(1)
    }
    expect((await load('.')).stderr).toMatch(/is a folder\n.*tar -C/)
  }, 60_000)
})
