import { parseCron } from './cron-schedule.ts'
import { countIndexes, overlappingIndex } from './job-indexes.ts'

describe('schedules', () => {
  test.each([
    '0 0 * * *',
    '*/5 1-3,7 * jan-mar mon',
    '@daily',
    '@every 1h30m',
    'TZ=Europe/Berlin 0 0 * * *',
    '0 0 ? * SUN'
  ])('%s', (text) => expect(typeof parseCron(text)).toBe('object'))

  test.each([
    ['', 'empty spec string'],
    ['whenever', 'expected exactly 5 fields, found 1: [whenever]'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-3 * * * *', 'beginning of range (5) beyond end of range (3): 5-3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['@never', 'unrecognized descriptor: @never']
  ])('%j is none: %s', (text, why) => expect(parseCron(text)).toBe(why))
})

test.each<[string, number, number | string]>([
  ['', 5, 0],
  ['1,3-4', 5, 3],
  ['0-4', 5, 5],
  ['5', 5, 'too large index: "5"'],
  ['x', 5, 'cannot convert string to integer for index: "x"'],
  ['2-1', 5, 'non-increasing order, previous: 2, current: 1']
])('%j of %d indexes: %s', (list, completions, count) => expect(countIndexes(list, completions)).toBe(count))

test.each<[string, string, number | undefined]>([
  ['1,3', '2,4', undefined],
  ['1-3', '3-4', 3]
])('%s and %s share %s', (left, right, shared) => expect(overlappingIndex(left, right, 5)).toBe(shared))
