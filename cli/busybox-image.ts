import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { CliError } from './errors.ts'
import { IMAGE_NEEDS } from './preflight.ts'

/** The image that examples/web.yaml names. */
export const DEMO_IMAGE = 'wherry.local/busybox:1'

/** Makes a docker-archive of Debian's static busybox, under the name `tag`. Needs IMAGE_NEEDS; takes about a second. */
export function buildBusyboxImage(file: string, tag: string = DEMO_IMAGE): void {
  const busybox = IMAGE_NEEDS[0]?.paths.find((path) => path.endsWith('busybox')) ?? '/bin/busybox'
  const work = mkdtempSync(join(tmpdir(), 'wherry-image-'))
  try {
    const layout = `${work}/layout`
    const root = `${work}/bundle/rootfs`
    run('umoci', ['init', '--layout', layout])
    run('umoci', ['new', '--image', `${layout}:1`])
    run('umoci', ['unpack', '--image', `${layout}:1`, `${work}/bundle`])
    for (const dir of ['bin', 'etc', 'tmp', 'root', 'var', 'proc', 'sys', 'dev']) mkdirSync(`${root}/${dir}`)
    chmodSync(`${root}/tmp`, 0o1777)
    copyFileSync(busybox, `${root}/bin/busybox`)
    const applets = run(busybox, ['--list']).trim().split('\n')
    for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', `${root}/bin/${applet}`)
    writeFileSync(`${root}/etc/passwd`, 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n')
    writeFileSync(`${root}/etc/group`, 'root:x:0:\nnobody:x:65534:\n')
    run('umoci', ['repack', '--image', `${layout}:1`, `${work}/bundle`])
    run('umoci', ['config', '--image', `${layout}:1`, '--config.cmd', 'sh', '--config.env', 'PATH=/bin'])
    run('skopeo', [
      '--insecure-policy',
      'copy',
      '--quiet',
      `oci:${layout}:1`,
      `docker-archive:${work}/image.tar:${tag}`
    ])
    mkdirSync(dirname(file), { recursive: true })
    copyFileSync(`${work}/image.tar`, `${file}.new`)
    renameSync(`${file}.new`, file)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function run(program: string, args: readonly string[]): string {
  const result = spawnSync(program, args, { encoding: 'utf8' })
  if (result.status !== 0)
    throw new CliError(`${program} ${args[0]} failed: ${(result.stderr ?? String(result.error)).trim()}`)
  return result.stdout
}
