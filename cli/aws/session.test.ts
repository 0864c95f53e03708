import { parse } from 'yaml'
import { kubeconfigText } from './kubeconfig.ts'
import { principalOf } from './session.ts'

test.each([
  ['arn:aws:sts::123456789012:assumed-role/Admin/jane@example.com', 'arn:aws:iam::123456789012:role/Admin'],
  ['arn:aws-cn:sts::123456789012:assumed-role/Admin/x', 'arn:aws-cn:iam::123456789012:role/Admin'],
  ['arn:aws:iam::123456789012:user/team/jane', 'arn:aws:iam::123456789012:user/team/jane'],
  ['arn:aws:iam::123456789012:root', 'arn:aws:iam::123456789012:root']
])('the administrator is known as %s -> %s', (arn, expected) => {
  expect(principalOf(arn)).toBe(expected)
})

test('a kubeconfig has kubectl run wherry token, with the environment that finds the account', () => {
  const text = kubeconfigText({
    name: 'main',
    server: 'https://abc.execute-api.eu-central-1.amazonaws.com/prod',
    args: ['--region', 'eu-central-1'],
    environment: { AWS_PROFILE: "it's: mine" }
  })
  expect(parse(text)).toMatchObject({
    kind: 'Config',
    clusters: [{ name: 'main', cluster: { server: 'https://abc.execute-api.eu-central-1.amazonaws.com/prod' } }],
    users: [
      {
        user: {
          exec: {
            args: ['token', '--cluster', 'main', '--region', 'eu-central-1'],
            env: [{ name: 'AWS_PROFILE', value: "it's: mine" }],
            interactiveMode: 'Never'
          }
        }
      }
    ],
    'current-context': 'main'
  })
  expect(parse(kubeconfigText({ name: 'a', server: 's', args: [], environment: {} }))).toMatchObject({
    users: [{ user: { exec: { env: [] } } }]
  })
})
