/** What the parts of a cluster are called, so that everyone who looks for one finds it (docs/adr/0006-aws.md). */
export interface ClusterNames {
  /** "main" */
  readonly cluster: string
  /** Also the tag and the start of all other names: "wherry-main". */
  readonly stack: string
  readonly table: string
  readonly functions: Readonly<Record<FunctionName, string>>
  readonly timers: string
  readonly dead: string
  /** Each node's queue is called so, and then by its node: "wherry-main-node-". */
  readonly nodeQueuePrefix: string
  /** "/wherry/main" */
  readonly parameters: string
}

export type FunctionName = 'api' | 'reconciler' | 'scheduler'

export const FUNCTION_NAMES: readonly FunctionName[] = ['api', 'reconciler', 'scheduler']

/** The tag, and its value the cluster's name, by which instances and queues made at run time are known. */
export const CLUSTER_TAG = 'wherry.dev/cluster'

/** As DNS has it, and short enough for the longest name made of it: the bucket's, with account and region, of 63. */
const NAME = /^[a-z]([a-z0-9-]{0,24}[a-z0-9])?$/

export function isClusterName(name: string): boolean {
  return NAME.test(name)
}

export function clusterNames(cluster: string): ClusterNames {
  if (!isClusterName(cluster)) throw new Error(`"${cluster}" is no name of a cluster: up to 26 of a-z, 0-9 and -`)
  const stack = `wherry-${cluster}`
  return {
    cluster,
    stack,
    table: stack,
    functions: { api: `${stack}-api`, reconciler: `${stack}-reconciler`, scheduler: `${stack}-scheduler` },
    timers: `${stack}-timers`,
    dead: `${stack}-dead`,
    nodeQueuePrefix: `${stack}-node-`,
    parameters: `/wherry/${cluster}`
  }
}
