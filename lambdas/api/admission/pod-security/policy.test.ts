import { describe, expect, test } from '@jest/globals'
import { detailText, findingsOf, policyOf, standardText } from './policy.ts'

const label = (mode: string, value: string) => ({ [`pod-security.kubernetes.io/${mode}`]: value })

describe('policyOf', () => {
  test.each([
    ['no labels', undefined, 'privileged:latest privileged:latest privileged:latest', 0],
    ['labels of others', { app: 'x' }, 'privileged:latest privileged:latest privileged:latest', 0],
    ['enforce warns too', label('enforce', 'baseline'), 'baseline:latest privileged:latest baseline:latest', 0],
    [
      'in its version',
      { ...label('enforce', 'restricted'), ...label('enforce-version', 'v1.20') },
      'restricted:v1.20 privileged:latest restricted:v1.20',
      0
    ],
    [
      'unless warn says otherwise',
      { ...label('enforce', 'restricted'), ...label('warn', 'privileged') },
      'restricted:latest privileged:latest privileged:latest',
      0
    ],
    [
      'a wrong enforce is the strictest',
      label('enforce', 'x'),
      'restricted:latest privileged:latest privileged:latest',
      1
    ],
    ['a wrong warn warns of nothing', label('warn', 'x'), 'privileged:latest privileged:latest privileged:latest', 1],
    ['a wrong version', label('audit-version', 'v1.01'), 'privileged:latest privileged:latest privileged:latest', 1]
  ])('%s', (_what, labels, texts, wrong) => {
    const { policy, errors } = policyOf(labels)
    expect([policy.enforce, policy.audit, policy.warn].map(standardText).join(' ')).toBe(texts)
    expect(errors).toHaveLength(wrong)
  })
})

test('a version newer than any check is the newest', () => {
  const spec = { containers: [{ name: 'a', securityContext: { procMount: 'Unmasked' } }], hostUsers: false }
  const of = (minor: number) => detailText(findingsOf({ level: 'baseline', minor }, { annotations: {}, spec }))
  expect(of(34)).toBe('procMount (container "a" must not set securityContext.procMount to "Unmasked")')
  expect(of(35)).toBe('')
  expect(of(99)).toBe('')
  expect(of(Number.POSITIVE_INFINITY)).toBe('')
})
