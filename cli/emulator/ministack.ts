import { delimiter, dirname, join } from 'node:path'
import { fetched, fetchWith } from './fetched.ts'
import type { EmulatorCommand } from './process.ts'

const VERSION = '1.5.33'
const HOST = '127.0.0.1'

/**
 * ministack, an emulator of AWS in Python, fetched into a virtual environment of its own at the first use. It runs
 * functions with the `node` on its PATH, which is ours, and with AUTH their roles' policies decide, as on AWS; the
 * credentials test/test may do all.
 */
export async function ministack(port: number): Promise<EmulatorCommand> {
  const folder = await fetched(`ministack-${VERSION}`, fetch)
  return {
    command: [join(folder, 'bin', 'python'), '-m', 'ministack'],
    environment: {
      BIND_HOST: HOST,
      MINISTACK_HOST: HOST,
      GATEWAY_PORT: String(port),
      LOG_LEVEL: 'WARNING',
      AUTH: 'true',
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
      // What the caller uses for real AWS is none of the emulator's business.
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_SESSION_TOKEN: '',
      AWS_ENDPOINT_URL: `http://${HOST}:${port}`
    }
  }
}

/** The environment's own python finds its packages wherever the folder is moved to. */
async function fetch(folder: string): Promise<void> {
  await fetchWith('python3', ['-m', 'venv', folder])
  const pip = [join(folder, 'bin', 'python'), '-m', 'pip', 'install', '-q', '--disable-pip-version-check']
  await fetchWith(pip[0] ?? '', [...pip.slice(1), '--retries', '5', `ministack==${VERSION}`])
}
