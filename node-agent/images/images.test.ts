import type { Secret } from '../../core/kinds/types.ts'
import type { Image } from '../runtime/runtime.ts'
import { imagesToRemove } from './collect.ts'
import { credentialsFor } from './credentials.ts'
import { fullImageName, imageNameProblem } from './names.ts'

test.each([
  ['busybox', 'docker.io/library/busybox:latest'],
  ['busybox:1', 'docker.io/library/busybox:1'],
  ['me/app', 'docker.io/me/app:latest'],
  ['localhost/app', 'localhost/app:latest'],
  ['host:5000/app', 'host:5000/app:latest'],
  ['r.example.com/a/b:2', 'r.example.com/a/b:2'],
  ['r.example.com/a@sha256:1', 'r.example.com/a@sha256:1']
])('%s is %s', (name, full) => expect(fullImageName(name)).toBe(full))

test.each([
  ['busybox', undefined],
  ['host:5000/a/b-c__d.e:v1.2_3', undefined],
  ['[::1]:5000/a', undefined],
  [`a@sha256:${'0'.repeat(64)}`, undefined],
  ['', 'invalid reference format'],
  ['a b', 'invalid reference format'],
  ['a:', 'invalid reference format'],
  ['a//b', 'invalid reference format'],
  ['a:1:2', 'invalid reference format'],
  ['a@sha256:1', 'invalid reference format'],
  ['Foo', 'invalid reference format: repository name (library/Foo) must be lowercase'],
  ['me/Foo:1', 'invalid reference format: repository name (me/Foo) must be lowercase'],
  ['Foo/Bar:1:2', 'invalid reference format: repository name (Bar) must be lowercase'],
  ['a'.repeat(256), 'repository name must not be more than 255 characters'],
  ['f'.repeat(64), `invalid repository name (${'f'.repeat(64)}), cannot specify 64-byte hexadecimal strings`]
])('what is wrong with the name %j: %j', (name, problem) => expect(imageNameProblem(name)).toBe(problem))

describe('pull secrets', () => {
  const secret = (auths: object): Secret => ({
    metadata: { name: 's' },
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') }
  })
  const login = { username: 'u', password: 'p' }
  test.each<[string, string, string[]]>([
    ['r.example.com/a:1', 'r.example.com', ['u']],
    ['r.example.com/a:1', 'https://r.example.com/v1/', ['u']],
    ['r.example.com/a:1', '*.example.com', ['u']],
    ['r.example.com/a/b:1', 'r.example.com/a', ['u']],
    ['r.example.com/x/b:1', 'r.example.com/a', []],
    ['a.b.example.com/x:1', '*.example.com', []],
    ['busybox', 'https://index.docker.io/v1/', ['u']],
    ['other.com/a:1', 'r.example.com', []]
  ])('%s with %s', (image, server, users) => {
    expect(credentialsFor(image, [secret({ [server]: login })]).map((auth) => auth.username)).toEqual(users)
  })

  test('the longest match first, and logins written as one', () => {
    const auth = Buffer.from('me:se:cret').toString('base64')
    const found = credentialsFor('r.example.com/a/b:1', [
      secret({ 'r.example.com': login, 'r.example.com/a': { auth } })
    ])
    expect(found.map((one) => `${one.username}:${one.password}`)).toEqual(['me:se:cret', 'u:p'])
  })

  test('what is no login is passed over', () => {
    expect(credentialsFor('a', [{ metadata: { name: 's' }, data: { '.dockerconfigjson': 'bm8=' } }])).toEqual([])
  })
})

test('images leave the longest unused first, as many as needed, never those in use', () => {
  const image = (id: string, size: number, tags = [id]): Image => ({ id, tags, digests: [], size, username: '' })
  const images = [
    image('new', 5),
    image('old', 5),
    image('used', 5),
    image('older', 5),
    image('p', 1, ['wherry.local/pause:1'])
  ]
  const since = new Map([
    ['old', 100_000],
    ['older', 0],
    ['new', 900_000]
  ])
  const at = { free: 8, since, now: 1_000_000 }
  expect(imagesToRemove(images, new Set(['used']), at).map((one) => one.id)).toEqual(['older', 'old'])
  expect(imagesToRemove(images, new Set(['used']), { ...at, free: 0 })).toEqual([])
  expect(imagesToRemove(images, new Set(['used']), { ...at, free: 99 }).map((one) => one.id)).toEqual(['older', 'old'])
})
