/** A span of time as kubectl prints ages: apimachinery's duration.HumanDuration. `ms` in milliseconds. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 60 * 2) return `${seconds}s`
  const minutes = Math.trunc(seconds / 60)
  if (minutes < 10) return withRest(minutes, seconds % 60, 'ms')
  if (minutes < 60 * 3) return `${minutes}m`
  const hours = Math.trunc(minutes / 60)
  if (hours < 8) return withRest(hours, minutes % 60, 'hm')
  if (hours < 48) return `${hours}h`
  if (hours < 24 * 8) return withRest(Math.trunc(hours / 24), hours % 24, 'dh')
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24)}d`
  const years = Math.trunc(hours / 24 / 365)
  if (hours < 24 * 365 * 8) return withRest(years, Math.trunc(hours / 24) % 365, 'yd')
  return `${years}y`
}

/** `units`: a letter for each. */
function withRest(whole: number, rest: number, units: string): string {
  return rest === 0 ? `${whole}${units.charAt(0)}` : `${whole}${units.charAt(0)}${rest}${units.charAt(1)}`
}

/** The "Age" cell: how long before `now` (ms) the timestamp was; "<unknown>" where there is none. */
export function age(timestamp: string | null | undefined, now: number): string {
  if (timestamp === undefined || timestamp === null || timestamp === '') return '<unknown>'
  return humanDuration(now - Date.parse(timestamp))
}
