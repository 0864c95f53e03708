import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { loadInstanceConfig } from './instance-config.ts'
import { type UserDataOptions, userData } from './user-data.ts'

const run = promisify(execFile)
const asset = { bucket: 'wherry-assets-1', key: 'abc.zip' }
const hostile: UserDataOptions = {
  ...asset,
  key: "it's/$(id -u) a.zip",
  labels: { 'example.com/a': 'b', odd: '$HOME `id` \\" \'' },
  maxPods: 20,
  logLevel: 'debug'
}

const shells = ['sh', 'bash'].filter((shell) => spawnSync(shell, ['-c', ':']).status === 0)

test.each(shells)('%s can read it', (shell) => {
  for (const options of [asset, hostile]) {
    const { status, stderr } = spawnSync(shell, ['-n'], { input: userData(options).join('\n'), encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
  }
})

describe('on an instance', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'wherry-user-data-'))
    for (const folder of ['bin', 'opt', 'etc/systemd/system', 'tmp']) mkdirSync(join(root, folder), { recursive: true })
    // Each program notes how it was called. Some fail at first, as they do on a machine whose network is not there yet.
    const program = (name: string, body = '') => {
      writeFileSync(join(root, 'bin', name), `#!/bin/sh\necho "${name} $*" >> ${root}/calls\n${body}\n`)
      chmodSync(join(root, 'bin', name), 0o755)
    }
    const once = (name: string) => `[ -e ${root}/${name} ] || { touch ${root}/${name}; exit 1; }`
    program('apt-get', `case "$*" in *install*) ${once('apt')};; esac`)
    program(
      'aws',
      `${once('aws')}\ncase "$*" in *get-parameter*) echo https://api.example/prod;; *) : > ${root}/tmp/wherry-agent.zip;; esac`
    )
    program('unzip', `: > ${root}/opt/wherry/node`)
    for (const name of ['systemctl', 'sleep']) program(name)
    program('modprobe', 'exit 1')
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  /** Runs the script with this folder as the machine. */
  async function start(options: UserDataOptions): Promise<string[]> {
    const script = ['set -eu', ...userData(options)].join('\n').replace(/(?<=[ =])\/(?=(etc|opt|tmp)\/)/g, `${root}/`)
    await run('sh', ['-c', script], {
      env: {
        PATH: `${root}/bin:/usr/bin:/bin`,
        WHERRY_CLUSTER: 'demo',
        WHERRY_ENDPOINT_PARAMETER: '/wherry/demo/endpoint',
        AWS_REGION: 'eu-central-1'
      }
    })
    return readFileSync(join(root, 'calls'), 'utf8').trim().split('\n')
  }

  test('it installs, fetches, configures and starts, and tries again what did not work', async () => {
    const calls = await start(asset)
    const parameter = 'aws ssm get-parameter --name /wherry/demo/endpoint --query Parameter.Value --output text'
    expect(calls.map((call) => call.replace(/recommends .*/, 'recommends ...').replaceAll(root, ''))).toEqual([
      'apt-get -q update',
      'apt-get -qy install --no-install-recommends ...',
      'sleep 5',
      'apt-get -q update',
      'apt-get -qy install --no-install-recommends ...',
      'systemctl disable --now containerd',
      'modprobe -a overlay vxlan nf_tables',
      parameter,
      'sleep 5',
      parameter,
      'aws s3 cp --only-show-errors s3://wherry-assets-1/abc.zip /tmp/wherry-agent.zip',
      'unzip -qo /tmp/wherry-agent.zip -d /opt/wherry',
      'systemctl daemon-reload',
      'systemctl enable --now wherry-agent'
    ])
    const unit = readFileSync(join(root, 'etc/systemd/system/wherry-agent.service'), 'utf8').replaceAll(root, '')
    expect(unit).toContain(
      'ExecStart=/opt/wherry/node --no-warnings /opt/wherry/main.mjs --config /etc/wherry/agent.json\n'
    )
    expect(unit).toContain('Restart=always\n')
    expect(unit).toContain('KillMode=process\n')
    expect(unit).toContain('Environment=AWS_REGION=eu-central-1\n')
  })

  test('the agent reads what it wrote', async () => {
    await start(asset)
    const file = join(root, 'etc/wherry/agent.json')
    const known = { cluster: 'demo', apiServer: 'https://api.example/prod' }
    expect(await loadInstanceConfig(file)).toEqual(known)
    const calls = await start(hostile)
    const { labels, maxPods, logLevel } = hostile
    expect(await loadInstanceConfig(file)).toEqual({ ...known, labels, maxPods, logLevel })
    expect(calls.at(-4)).toContain(`s3://wherry-assets-1/${hostile.key}`)
  })
})

test.each([
  ['{}', 'missing cluster'],
  ['{"cluster": "a"}', 'missing apiServer'],
  ['{', 'JSON']
])('a configuration that is %s is refused', async (text, message) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-instance-'))
  try {
    const file = join(folder, 'agent.json')
    writeFileSync(file, text)
    await expect(loadInstanceConfig(file)).rejects.toThrow(message)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
