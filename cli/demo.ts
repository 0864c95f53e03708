import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { buildBusyboxImage, DEMO_IMAGE } from './busybox-image.ts'
import { requireCluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { load } from './image.ts'
import { runKubectl } from './kubectl.ts'
import { dataDirFlag, pathsOf } from './paths.ts'
import { IMAGE_NEEDS, install } from './preflight.ts'
import { requireRunning } from './running.ts'
import { terminal } from './terminal.ts'

const EXAMPLE = join(import.meta.dirname, '..', 'examples', 'web.yaml')

/** Makes the example's image, loads it, applies the example and waits until its pods run. */
export async function demo(options: { readonly dataDir: string }): Promise<void> {
  const paths = pathsOf(options.dataDir)
  requireCluster(paths)
  if (requireRunning(paths).controlPlaneOnly)
    throw new CliError('this cluster has no node here: it was started with --control-plane-only')
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
  const get = `./wherry kubectl${dataDirFlag(paths)} --namespace default get service web`
  terminal.say('Three pods answer behind one Service. Try:')
  terminal.say(`  for i in 1 2 3 4 5 6; do curl -s http://$(${get} -o 'jsonpath={.spec.clusterIP}'); done`)
  terminal.say(`  curl -s http://127.0.0.1:$(${get} -o 'jsonpath={.spec.ports[0].nodePort}')`)
}
