/** Validation of metav1.Conditions, as newer kinds have them in their status. */
import { duplicate, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { byteLength, regexError } from '../names.ts'
import { checkQualifiedName, type Errors } from './checks.ts'
import type { Condition } from './types.ts'

const STATUSES = ['False', 'True', 'Unknown']
const MOST_REASON = 1024
const MOST_MESSAGE = 32 * 1024
const REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?'
const REASON_PATTERN = new RegExp(`^${REASON}$`)
const REASON_ERROR = regexError(
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
  REASON,
  'my_name',
  'MY_NAME',
  'MyName',
  'ReasonA,ReasonB',
  'ReasonA:ReasonB'
)

export function checkConditions(conditions: readonly Condition[] | undefined, path: string, errors: Errors): void {
  const seen = new Set<string>()
  conditions?.forEach((condition, i) => {
    const { type } = condition
    if (seen.has(type)) errors.push(duplicate(`${path}[${i}].type`, type))
    seen.add(type)
    checkCondition(condition, `${path}[${i}]`, errors)
  })
}

function checkCondition(condition: Condition, path: string, errors: Errors): void {
  const { type, status, observedGeneration = 0, lastTransitionTime, reason, message } = condition
  checkQualifiedName(type, `${path}.type`, errors)
  if (!STATUSES.includes(status)) errors.push(notSupported(`${path}.status`, status, STATUSES))
  if (observedGeneration < 0)
    errors.push(invalid(`${path}.observedGeneration`, observedGeneration, 'must be greater than or equal to zero'))
  if (!lastTransitionTime) errors.push(required(`${path}.lastTransitionTime`))
  if (!reason) errors.push(required(`${path}.reason`))
  else {
    if (!REASON_PATTERN.test(reason)) errors.push(invalid(`${path}.reason`, reason, REASON_ERROR))
    if (byteLength(reason) > MOST_REASON) errors.push(tooLong(`${path}.reason`, MOST_REASON))
  }
  if (byteLength(message ?? '') > MOST_MESSAGE) errors.push(tooLong(`${path}.message`, MOST_MESSAGE))
}
