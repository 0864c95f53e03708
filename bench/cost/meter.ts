/** Counts what AWS would bill. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Metered } from '../prices.ts'

export type FunctionName = 'api' | 'reconciler' | 'scheduler'

/** A line of START, END and REPORT that Lambda writes for each invocation, in bytes. */
const REPORT_BYTES = 350

export class Meter {
  /** By what is billed. */
  readonly counts = new Map<Metered, number>()
  /** Finer: "api invocations", "reconciler ms", "GetItem calls", "PUT leases". */
  readonly details = new Map<string, number>()
  on = false
  /** Of invocations, counted or not. */
  total = 0

  add(what: Metered, count: number): void {
    if (this.on) this.counts.set(what, (this.counts.get(what) ?? 0) + count)
  }

  detail(what: string, count = 1): void {
    if (this.on) this.details.set(what, (this.details.get(what) ?? 0) + count)
  }

  /** One run of a function: billed by the started millisecond. */
  invocation(name: FunctionName, ms: number, memoryMb: number): void {
    this.total++
    this.add('lambdaRequests', 1)
    this.add('lambdaSeconds', (Math.ceil(ms) / 1000) * (memoryMb / 1024))
    this.add('logs', REPORT_BYTES)
    this.detail(`${name} invocations`)
    this.detail(`${name} ms`, Math.ceil(ms))
  }
}

interface Capacity {
  readonly CapacityUnits?: number | undefined
}

const READS = new Set(['GetItemCommand', 'BatchGetItemCommand', 'QueryCommand', 'ScanCommand'])

export interface TransactionSeen {
  readonly TransactItems?: readonly {
    readonly Put?: { readonly Item?: Record<string, { S?: string | undefined }> | undefined } | undefined
  }[]
}

/** Has DynamoDB say what each call consumed, and counts it. `onWrite` sees what went through. */
export function metered(
  client: DynamoDBClient,
  { meter, name, onWrite }: { meter: Meter; name: FunctionName; onWrite: (input: unknown) => void }
): DynamoDBClient {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const input = { ...args.input, ReturnConsumedCapacity: 'TOTAL' } as typeof args.input
        const count = (capacity: Capacity | readonly Capacity[] | undefined) => {
          const told = [capacity ?? []].flat().reduce((sum, one) => sum + ((one as Capacity).CapacityUnits ?? 0), 0)
          // DynamoDB bills a look that finds nothing, which DynamoDB Local forgets.
          const units = READS.has(commandName) ? Math.max(told, 0.5) : told
          meter.add(READS.has(commandName) ? 'reads' : 'writes', units)
          meter.detail(`${name} ${commandName.replace('Command', '')} calls`)
          meter.detail(`${name} ${commandName.replace('Command', '')} units`, units)
        }
        try {
          const answer = await next({ ...args, input })
          count((answer.output as { ConsumedCapacity?: Capacity | Capacity[] }).ConsumedCapacity)
          onWrite(args.input)
          return answer
        } catch (error) {
          // A write whose condition fails is billed as one that holds; a small one is a unit, each part of a transaction two.
          const parts = (args.input as TransactionSeen).TransactItems?.length
          if (/Conditional|TransactionCanceled/.test((error as Error).name))
            count({ CapacityUnits: parts === undefined ? 1 : 2 * parts })
          throw error
        }
      },
    { step: 'initialize', name: 'meter' }
  )
  return client
}
