import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Volume } from '../../core/kinds/types.ts'
import { container, podOf } from '../pod/fixture.ts'
import { writeAtomically } from './atomic-writer.ts'
import { checkHostPath } from './host-path.ts'
import { mountsOf } from './mounts.ts'
import { type ProjectionInput, payloadOf } from './projection.ts'
import { memoryVolumeSize } from './volumes.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wherry-volumes-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the files of a volume', () => {
  const input: ProjectionInput = {
    pod: podOf({ containers: [container('c', { resources: { limits: { cpu: '1500m' } } })] }, { labels: { a: 'b' } }),
    place: { podIPs: [], hostIPs: [], allocatable: {} },
    objects: {
      configMap: async (namespace, name) =>
        name === 'cm'
          ? { metadata: { namespace, name }, data: { k: 'v' }, binaryData: { bin: base64('\u0001') } }
          : undefined,
      secret: async (namespace, name) =>
        name === 's' ? { metadata: { namespace, name }, data: { pw: base64('x') } } : undefined
    },
    token: async ({ audience }) => `token for ${audience ?? 'the API'}`
  }
  const files = async (volume: Omit<Volume, 'name'>) => {
    const payload = await payloadOf(input, { name: 'v', ...volume })
    return Object.fromEntries([...payload].map(([path, file]) => [path, `${file.content} ${file.mode.toString(8)}`]))
  }
  test.each<[string, Omit<Volume, 'name'>, Record<string, string>]>([
    ['configMap', { configMap: { name: 'cm' } }, { k: 'v 644', bin: '\u0001 644' }],
    [
      'chosen keys',
      { configMap: { name: 'cm', defaultMode: 0o400, items: [{ key: 'k', path: 'd/f', mode: 0o440 }] } },
      { 'd/f': 'v 440' }
    ],
    ['secret', { secret: { secretName: 's', defaultMode: 0o400 } }, { pw: 'x 400' }],
    ['an optional one that is missing', { secret: { secretName: 'none', optional: true } }, {}],
    [
      'downwardAPI',
      {
        downwardAPI: {
          items: [
            { path: 'l', fieldRef: { fieldPath: 'metadata.labels' } },
            { path: 'c', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } }
          ]
        }
      },
      { l: 'a="b" 644', c: '1500 644' }
    ],
    [
      'projected',
      {
        projected: {
          defaultMode: 0o600,
          sources: [
            { serviceAccountToken: { path: 't', audience: 'x' } },
            { configMap: { name: 'cm', items: [{ key: 'k', path: 'k' }] } },
            { secret: { name: 's' } }
          ]
        }
      },
      { t: 'token for x 600', k: 'v 600', pw: 'x 600' }
    ]
  ])('%s', async (_, volume, expected) => expect(await files(volume)).toEqual(expected))

  test.each<[Omit<Volume, 'name'>, string]>([
    [{ configMap: { name: 'none' } }, 'configmap "none" not found'],
    [{ secret: { secretName: 'none' } }, 'secret "none" not found'],
    [{ configMap: { name: 'cm', items: [{ key: 'x', path: 'x' }] } }, 'references non-existent config key: x'],
    [
      { projected: { sources: [{ configMap: { name: 'a' } }, { secret: { name: 'b' } }] } },
      '[configmap "a" not found, secret "b" not found]'
    ]
  ])('that cannot be had: %#', async (volume, message) => {
    await expect(files(volume)).rejects.toThrow(message)
  })
})

test('an update swaps one link, and what is gone goes', async () => {
  const file = (text: string, mode = 0o644) => ({ content: Buffer.from(text), mode })
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 6)
  await writeAtomically(
    folder,
    new Map([
      ['a', file('1')],
      ['d/b', file('2', 0o400)]
    ]),
    { now, group: undefined }
  )
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('1')
  expect(readlinkSync(join(folder, '..data'))).toBe('..2026_01_02_03_04_05.000000006')
  expect(readlinkSync(join(folder, 'd'))).toBe('..data/d')
  expect(statSync(join(folder, 'd', 'b')).mode & 0o777).toBe(0o400)
  await writeAtomically(
    folder,
    new Map([
      ['a', file('one')],
      ['c', file('3')]
    ]),
    { now, group: undefined }
  )
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('one')
  expect(readdirSync(folder).sort()).toEqual(['..2026_01_02_03_04_05.000000007', '..data', 'a', 'c'])
  expect(lstatSync(join(folder, '..data')).isSymbolicLink()).toBe(true)
})

describe('hostPath', () => {
  beforeEach(() => writeFileSync(join(folder, 'file'), ''))
  test.each<[string, string, string | undefined]>([
    ['', 'absent', undefined],
    ['Directory', '', undefined],
    ['Directory', 'file', 'is not a directory'],
    ['Directory', 'absent', 'is not a directory'],
    ['File', 'file', undefined],
    ['File', '', 'is not a file'],
    ['Socket', 'file', 'is not a socket file'],
    ['CharDevice', 'file', 'is not a character device'],
    ['DirectoryOrCreate', 'new', undefined],
    ['DirectoryOrCreate', 'file', 'is not a directory'],
    ['FileOrCreate', 'made', undefined]
  ])('%s at %s', async (type, name, problem) => {
    const check = checkHostPath(join(folder, name), type)
    if (problem === undefined) {
      await check
      if (type.endsWith('OrCreate')) expect(existsSync(join(folder, name))).toBe(true)
    } else await expect(check).rejects.toThrow(`hostPath type check failed: ${join(folder, name)} ${problem}`)
  })
})

describe('mounts', () => {
  const mounts = (more: object) =>
    mountsOf({
      container: container('c', more),
      volumes: new Map([['v', folder]]),
      environment: new Map([['DIR', 'from-env']]),
      hostsFile: '/h',
      messageFile: '/m'
    })
  test('volumes, then hosts and the message file', async () => {
    expect(await mounts({ volumeMounts: [{ name: 'v', mountPath: '/data', readOnly: true }] })).toEqual([
      { containerPath: '/data', hostPath: folder, readOnly: true, propagation: 'None' },
      { containerPath: '/etc/hosts', hostPath: '/h', readOnly: false, propagation: 'None' },
      { containerPath: '/dev/termination-log', hostPath: '/m', readOnly: false, propagation: 'None' }
    ])
  })

  test('a sub-path is made, also one from a variable', async () => {
    await mounts({ volumeMounts: [{ name: 'v', mountPath: '/x', subPath: 'a/b' }] })
    const [made] = await mounts({ volumeMounts: [{ name: 'v', mountPath: '/x', subPathExpr: '$(DIR)/y' }] })
    expect(existsSync(join(folder, 'a', 'b'))).toBe(true)
    expect(made?.hostPath).toBe(join(folder, 'from-env', 'y'))
  })

  test('a sub-path does not lead out of its volume', async () => {
    mkdirSync(join(folder, 'inside'))
    symlinkSync('/etc', join(folder, 'link'))
    for (const subPath of ['../x', '/etc', 'link', 'link/passwd']) {
      await expect(mounts({ volumeMounts: [{ name: 'v', mountPath: '/x', subPath }] })).rejects.toThrow(
        'failed to prepare subPath'
      )
    }
    await expect(mounts({ volumeMounts: [{ name: 'v', mountPath: '/x', subPathExpr: '$(NOPE)' }] })).rejects.toThrow(
      'missing value for NOPE'
    )
  })
})

describe('a volume in memory is at most as large as', () => {
  const MiB = 1024 * 1024
  const limited = (...memory: (string | undefined)[]) =>
    podOf({
      containers: memory.map((limit, index) =>
        container(`c${index}`, limit === undefined ? {} : { resources: { limits: { memory: limit } } })
      )
    })
  test.each<[string, string | undefined, ReturnType<typeof podOf>, number]>([
    ['the node', undefined, limited(undefined), 1024],
    ['its limit', '8Mi', limited(undefined), 8],
    ['the memory of its pod', undefined, limited('64Mi', '32Mi'), 96],
    ['the smaller of the two', '128Mi', limited('64Mi'), 64],
    ['not a part of the pod’s', undefined, limited('64Mi', undefined), 1024],
    ['the pod’s as a whole', undefined, podOf({ resources: { limits: { memory: '16Mi' } } }), 16]
  ])('%s', (_, sizeLimit, pod, size) => {
    const emptyDir = sizeLimit === undefined ? {} : { sizeLimit }
    expect(memoryVolumeSize(pod, { name: 'v', emptyDir }, { allocatable: { memory: '1Gi' } })).toBe(size * MiB)
  })
})
