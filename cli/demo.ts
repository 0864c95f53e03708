import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { buildBusyboxImage, DEMO_IMAGE } from './busybox-image.ts'
import { pathsOf } from './cluster.ts'
import { CliError } from './errors.ts'
import { load } from './image.ts'
import { runKubectl } from './kubectl.ts'
import { IMAGE_NEEDS, install } from './preflight.ts'
import { readRunning } from './running.ts'
import { terminal } from './terminal.ts'

const EXAMPLE = join(import.meta.dirname, '..', 'examples', 'web.yaml')

/** Makes the example's image, loads it, applies the example and waits until its pods run. */
export async function demo(options: { readonly dataDir: string }): Promise<void> {
  const paths = pathsOf(options.dataDir)
  const running = readRunning(paths)
  if (running === undefined)
    throw new CliError(`no cluster runs on ${paths.dir}`, { hint: 'start it with: ./wherry up --detach' })
  await install(IMAGE_NEEDS, terminal)
  const archive = join(paths.dir, 'demo', 'busybox.tar')
  await terminal.step(`image ${DEMO_IMAGE}`, async () => {
    if (!existsSync(archive)) buildBusyboxImage(archive)
    await load(archive, options)
  })
  const kubectl = (...args: string[]) => runKubectl(['--namespace', 'default', ...args], options)
  await kubectl('apply', '-f', EXAMPLE)
  await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
  await kubectl('get', 'pods,services', '-l', 'app=web', '-o', 'wide')
  terminal.say('')
  terminal.say('Three pods answer behind one Service. Try:')
  terminal.say(
    `  for i in 1 2 3 4 5 6; do curl -s http://$(./wherry kubectl${flag(options)} get service web -o jsonpath={.spec.clusterIP}); done`
  )
  terminal.say(
    `  curl -s http://127.0.0.1:$(./wherry kubectl${flag(options)} get service web -o jsonpath={.spec.ports[0].nodePort})`
  )
}

function flag(options: { readonly dataDir: string }): string {
  return pathsOf(options.dataDir).dir === pathsOf('/var/lib/wherry').dir ? '' : ` --data-dir ${options.dataDir}`
}
