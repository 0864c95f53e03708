import { parse } from 'yaml'
import { type AwsAuth, NO_MAPPINGS, parseAwsAuth, principalOf, userOf } from './aws-auth.ts'

const KNOWN = {
  admin: 'arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/Deployer',
  node: 'arn:aws:iam::111122223333:role/wherry-dev-node'
}
/** As `eksctl` and the console of EKS write it. */
const DATA = {
  mapRoles: `
- groups:
  - system:masters
  rolearn: arn:aws:iam::111122223333:role/team/Admins
  username: admin:{{SessionName}}
- rolearn: arn:aws:iam::111122223333:role/EC2
  username: system:node:{{EC2PrivateDNSName}}
  groups: [system:bootstrappers, "team-{{AccountID}}"]
`,
  mapUsers: '- {userarn: "arn:aws:iam::111122223333:user/ops/jane", username: jane, groups: [dev]}',
  mapAccounts: '["444455556666"]'
}

const read = (data: Record<string, string>, problems: string[] = []): AwsAuth =>
  parseAwsAuth(
    data,
    (text) => parse(text),
    (problem) => problems.push(problem)
  )
const as = (arn: string, account = '111122223333') => ({ arn, account, userId: 'AROAEXAMPLE:session' })

test.each([
  ['arn:aws:sts::1:assumed-role/Dev/jane@x', 'arn:aws:iam::1:role/Dev', 'jane@x'],
  ['arn:aws-cn:sts::1:assumed-role/Dev/jane', 'arn:aws-cn:iam::1:role/Dev', 'jane'],
  ['arn:aws:iam::1:role/a/b/Dev', 'arn:aws:iam::1:role/Dev', undefined],
  ['arn:aws:iam::1:user/a/jane', 'arn:aws:iam::1:user/a/jane', undefined],
  ['arn:aws:sts::1:federated-user/jane', 'arn:aws:sts::1:federated-user/jane', undefined],
  ['arn:aws:iam::1:root', 'arn:aws:iam::1:root', undefined],
  ['nonsense', 'nonsense', undefined]
])('%s is %s', (arn, principal, session) => {
  expect(principalOf(arn)).toEqual({ arn: principal, session })
})

test.each<[string, string, string | undefined, readonly string[]]>([
  ['the deployer', 'arn:aws:sts::111122223333:assumed-role/Deployer/me', 'kubernetes-admin', ['system:masters']],
  [
    'a node',
    'arn:aws:sts::111122223333:assumed-role/wherry-dev-node/i-0123456789abcdef0',
    'system:node:i-0123456789abcdef0',
    ['system:bootstrappers', 'system:nodes']
  ],
  ['a person in the role of nodes', 'arn:aws:sts::111122223333:assumed-role/wherry-dev-node/jane', undefined, []],
  [
    'the role of nodes of another account',
    'arn:aws:sts::9:assumed-role/wherry-dev-node/i-0123456789abcdef0',
    undefined,
    []
  ],
  [
    'a mapped role, whatever its path',
    'arn:aws:sts::111122223333:assumed-role/Admins/jane@example.org',
    'admin:jane-example.org',
    ['system:masters']
  ],
  [
    "EKS' template of nodes",
    'arn:aws:sts::111122223333:assumed-role/EC2/i-0aaaaaaaaaaaaaaaa',
    'system:node:i-0aaaaaaaaaaaaaaaa',
    ['system:bootstrappers', 'team-111122223333']
  ],
  ['a mapped user', 'arn:aws:iam::111122223333:user/ops/jane', 'jane', ['dev']],
  ['an unknown role', 'arn:aws:sts::111122223333:assumed-role/Other/x', undefined, []],
  ['an unknown user', 'arn:aws:iam::111122223333:user/jane', undefined, []]
])('%s', (_, arn, username, groups) => {
  const user = userOf(as(arn, arn.split(':')[4]), KNOWN, read(DATA))
  expect(user?.username).toBe(username)
  expect(user?.groups ?? []).toEqual(groups)
})

test('all of a mapped account come in under their names', () => {
  const user = userOf(as('arn:aws:sts::444455556666:assumed-role/Any/x', '444455556666'), KNOWN, read(DATA))
  expect(user).toMatchObject({ username: 'arn:aws:iam::444455556666:role/Any', groups: [] })
})

test('a user says which principal it is', () => {
  expect(userOf(as('arn:aws:sts::111122223333:assumed-role/Deployer/me'), KNOWN, NO_MAPPINGS)).toEqual({
    username: 'kubernetes-admin',
    groups: ['system:masters'],
    uid: 'aws-iam-authenticator:111122223333:AROAEXAMPLE',
    extra: {
      arn: ['arn:aws:sts::111122223333:assumed-role/Deployer/me'],
      canonicalArn: ['arn:aws:iam::111122223333:role/Deployer'],
      principalId: ['AROAEXAMPLE'],
      sessionName: ['me']
    }
  })
})

test('one mistake is told and shuts nobody else out', () => {
  const problems: string[] = []
  const mapRoles = `${DATA.mapRoles}\n- rolearn: 5\n- {rolearn: "arn:aws:iam::1:role/x", groups: dev}\n-`
  const auth = read({ mapRoles, mapUsers: '{a: [', mapAccounts: 'x: y' }, problems)
  expect(auth.mappings).toHaveLength(2)
  expect(problems).toEqual([
    'mapRoles[2] is not {rolearn, username, groups}',
    'mapRoles[3] is not {rolearn, username, groups}',
    'mapRoles[4] is not {rolearn, username, groups}',
    expect.stringMatching(/^mapUsers: /),
    'mapAccounts is not a list'
  ])
})
