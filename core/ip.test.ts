import { describe, expect, test } from '@jest/globals'
import type { FieldError } from './errors.ts'
import { errorBody } from './field-errors.ts'
import { checkNonSpecialIp, cidrFamily, ipFamily } from './ip.ts'

describe('families', () => {
  test.each([
    ['10.0.0.1', 'IPv4'],
    ['010.000.0.01', 'IPv4'],
    ['256.0.0.1', undefined],
    ['10.0.0', undefined],
    ['10.0.0.0.1', undefined],
    ['::', 'IPv6'],
    ['2001:db8::1', 'IPv6'],
    ['::ffff:10.0.0.1', 'IPv4'],
    ['fe80::1%eth0', undefined],
    ['', undefined],
    [' 10.0.0.1', undefined],
    ['a.example.com', undefined]
  ])('of %s', (text, family) => {
    expect(ipFamily(text)).toBe(family)
  })
  test.each([
    ['10.0.0.0/8', 'IPv4'],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/8/8', undefined],
    ['fd00::/64', 'IPv6'],
    ['fd00::/129', undefined]
  ])('of the network %s', (text, family) => {
    expect(cidrFamily(text)).toBe(family)
  })
})

test.each([
  ['10.0.0.1', []],
  ['0.0.0.0', ['Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)']],
  ['::', ['Invalid value: "::": may not be unspecified (::)']],
  ['127.1.2.3', ['Invalid value: "127.1.2.3": may not be in the loopback range (127.0.0.0/8, ::1/128)']],
  ['::1', ['Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)']],
  ['FE80::1', ['Invalid value: "FE80::1": may not be in the link-local range (169.254.0.0/16, fe80::/10)']],
  ['224.0.0.5', ['Invalid value: "224.0.0.5": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)']],
  ['x', ['Invalid value: "x": must be a valid IP address']]
])('%s as an endpoint', (text, messages) => {
  const errors: FieldError[] = []
  checkNonSpecialIp(text, 'ip', errors)
  expect(errors.map(errorBody)).toEqual(messages)
})
