import { describe, expect, test } from '@jest/globals'
import { user } from '../../test/api-fixture.ts'
import { impersonate } from './impersonate.ts'
import type { Attributes } from './types.ts'

/** Allows what is listed, as "resource" or "resource name". */
async function acting(headers: Record<string, string>, ...allowed: string[]) {
  const asked: string[] = []
  const authorizer = {
    authorize: async ({ resource, verb }: Attributes) => {
      const what = `${resource?.namespace ?? ''}/${resource?.resource}/${resource?.subresource ?? ''} ${resource?.name}`
      asked.push(what)
      return { allowed: verb === 'impersonate' && (allowed.length === 0 || allowed.includes(what)), reason: '' }
    }
  }
  const request = { method: 'GET', path: '/', query: new URLSearchParams(), headers } as const
  const who = await impersonate(request, user('jo'), authorizer)
  return { who, asked }
}

describe('impersonation', () => {
  test('without headers everybody is themselves', async () => {
    expect(await acting({})).toEqual({ who: user('jo'), asked: [] })
  })

  test.each<[Record<string, string>, object, string[]]>([
    [{ 'impersonate-user': 'eve' }, { username: 'eve', groups: ['system:authenticated'] }, ['/users/ eve']],
    [
      { 'impersonate-user': 'eve', 'impersonate-group': 'a, b' },
      { username: 'eve', groups: ['a', 'b', 'system:authenticated'] },
      ['/users/ eve', '/groups/ a', '/groups/ b']
    ],
    [
      { 'impersonate-user': 'system:serviceaccount:ns:sa' },
      {
        username: 'system:serviceaccount:ns:sa',
        groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated']
      },
      ['ns/serviceaccounts/ sa']
    ],
    [
      { 'impersonate-user': 'system:serviceaccount:Not_one:sa' },
      { username: 'system:serviceaccount:Not_one:sa', groups: ['system:authenticated'] },
      ['/users/ system:serviceaccount:Not_one:sa']
    ],
    [
      { 'impersonate-user': 'system:anonymous' },
      { username: 'system:anonymous', groups: ['system:unauthenticated'] },
      ['/users/ system:anonymous']
    ],
    [
      { 'impersonate-user': 'eve', 'impersonate-uid': '7', 'impersonate-extra-a%2fb': 'x' },
      { username: 'eve', groups: ['system:authenticated'], uid: '7', extra: { 'a/b': ['x'] } },
      ['/users/ eve', '/uids/ 7', '/userextras/a/b x']
    ]
  ])('%j', async (headers, who, asked) => {
    expect(await acting(headers)).toEqual({ who, asked })
  })

  test('each part needs its own right', async () => {
    const headers = { 'impersonate-user': 'eve', 'impersonate-group': 'system:masters' }
    await expect(acting(headers, '/users/ eve')).rejects.toMatchObject({
      code: 403,
      message:
        'groups "system:masters" is forbidden: User "jo" cannot impersonate resource "groups" in API group "" at the cluster scope'
    })
  })

  test('groups need a user', async () => {
    await expect(acting({ 'impersonate-group': 'a', 'impersonate-uid': '7' })).rejects.toMatchObject({
      code: 400,
      message: 'requested [{Group  a    } {UID  7  authentication.k8s.io/v1  }] without impersonating a user'
    })
  })
})
