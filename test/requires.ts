import { IMAGE_NEEDS, isRoot, missing, NODE_NEEDS } from '../cli/preflight.ts'

/** What this machine lacks for tests with real containers; undefined when it lacks nothing. */
export function lacksForNode(): string | undefined {
  if (!isRoot()) return 'needs root'
  const lacking = missing([...NODE_NEEDS, ...IMAGE_NEEDS]).map((need) => need.what)
  return lacking.length === 0 ? undefined : `needs ${lacking.join(', ')}`
}

/** `describe`, or a skip that names its reason; with CI=1 a lack is a failure, so that nothing is skipped unnoticed. */
export function describeWith(lack: string | undefined, name: string, body: () => void): void {
  if (lack === undefined) describe(name, body)
  else if (process.env.CI === '1') {
    test(name, () => {
      throw new Error(`this machine ${lack}`)
    })
  } else describe.skip(`${name} (skipped: ${lack})`, body)
}
