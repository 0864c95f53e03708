import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { bundledTool } from '../../cli/kubectl.ts'
import { execute } from '../e2e/cluster.ts'
import { describeWith } from '../requires.ts'
import { lacksForEmulator } from './emulator.ts'

// A new user follows docs/aws.md on an emulator, word for word.

const HOME = join(import.meta.dirname, '..', '..')
const guide = readFileSync(join(HOME, 'docs', 'aws.md'), 'utf8')
const [, commands = ''] = /```sh\n([\s\S]*?)```/.exec(guide) ?? []

describeWith(lacksForEmulator('ministack'), 'the guide for AWS', () => {
  test('its commands for an emulator work as they stand there', async () => {
    expect(commands.split('\n').length).toBeGreaterThan(5)
    const dir = mkdtempSync(join(tmpdir(), 'wherry-guide-'))
    const kubectl = dirname(await bundledTool('kubectl'))
    const { AWS_ENDPOINT_URL: _, ...rest } = process.env
    const env = { ...rest, XDG_STATE_HOME: join(dir, 'state'), HOME: dir, PATH: `${kubectl}:${rest.PATH}` }
    try {
      // In a clone, whose files are ours: the kubeconfig goes elsewhere.
      const script = `set -eux\ncd ${dir}\nfor file in wherry examples; do ln -s ${HOME}/$file .; done\n${commands}`
      const outcome = await execute('bash', ['-c', script], { env, timeoutMs: 400_000 })
      if (outcome.code !== 0) throw new Error(`${outcome.code}: ${outcome.stdout}${outcome.stderr}`)
      expect(outcome.stdout).toContain('deployment.apps/web created')
      expect(outcome.stdout.match(/web-\S+ +0\/1 +Pending/g)).toHaveLength(3)
    } finally {
      await execute(join(HOME, 'wherry'), ['destroy', '--emulator'], { env })
      rmSync(dir, { recursive: true, force: true })
    }
  }, 450_000)
})
