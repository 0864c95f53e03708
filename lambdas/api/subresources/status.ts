/** GET, PUT and PATCH .../status: only the status changes, by the kind's rules. */
import { statusPath } from '../update.ts'
import { wholeObject } from './whole.ts'

export const status = wholeObject(statusPath)
