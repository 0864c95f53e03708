import {
  BatchGetItemCommand,
  type CancellationReason,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type UpdateItemCommandInput
} from '@aws-sdk/client-dynamodb'
import { ApiError } from '../../core/errors.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import type { Item, Key } from './dynamodb-items.ts'

/** Tries of one call beyond the SDK's own: conflicts with a write under way, and throttling. */
const MAX_TRIES = 8
/** The longest pause before a try is this much doubled with each, in milliseconds, up to the cap. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1_000
/** DynamoDB's limit of keys in one BatchGetItem. */
const BATCH = 100

const THROTTLED = new Set([
  'ProvisionedThroughputExceededException',
  'ProvisionedThroughputExceeded',
  'RequestLimitExceeded',
  'ThrottlingException',
  'ThrottlingError'
])
const CONFLICT = new Set(['TransactionConflictException', 'TransactionInProgressException', 'TransactionConflict'])

export type Update = Omit<UpdateItemCommandInput, 'TableName' | 'Key'>
export type Query = Omit<QueryCommandInput, 'TableName'>

export interface QueryPage {
  readonly items: readonly Item[]
  /** The sort key after which there may be more. */
  readonly next: string | undefined
}

/** A write whose condition did not hold; `item` is what is there instead. */
export interface Refused {
  readonly refused: true
  readonly item: Item | undefined
}

/**
 * The calls of one table. Reads are strong, unless said otherwise. Each call is tried again, after a pause of random length, where DynamoDB
 * throttles it or another write of the item is under way; when that does not help, ApiError TooManyRequests.
 */
export class Calls {
  private readonly client: DynamoDBClient
  private readonly table: string
  private readonly ports: Ports

  constructor(client: DynamoDBClient, table: string, ports: Ports) {
    this.client = client
    this.table = table
    this.ports = ports
  }

  async get(key: Key, { consistent = true } = {}): Promise<Item | undefined> {
    const command = new GetItemCommand({ TableName: this.table, Key: { ...key }, ConsistentRead: consistent })
    return (await this.persist(() => this.client.send(command))).Item
  }

  /** In the order of `keys`, each of them once. */
  async getMany(keys: readonly Key[]): Promise<readonly (Item | undefined)[]> {
    const parts: Promise<void>[] = []
    const found = new Map<string, Item>()
    for (let at = 0; at < keys.length; at += BATCH) parts.push(this.getBatch(keys.slice(at, at + BATCH), found))
    await Promise.all(parts)
    return keys.map(({ p, s }) => found.get(`${p.S} ${s.S}`))
  }

  async query(query: Query): Promise<QueryPage> {
    const command = new QueryCommand({ ConsistentRead: true, ...query, TableName: this.table })
    const { Items = [], LastEvaluatedKey } = await this.persist(() => this.client.send(command))
    return { items: Items, next: LastEvaluatedKey?.s?.S }
  }

  /** How many items the first page (1 MB) of the query has; undefined: there are more pages. */
  async count(query: Query): Promise<number | undefined> {
    const command = new QueryCommand({ ...query, TableName: this.table, Select: 'COUNT' })
    const { Count = 0, LastEvaluatedKey } = await this.persist(() => this.client.send(command))
    return LastEvaluatedKey === undefined ? Count : undefined
  }

  /** The item after the update, or that its condition did not hold. */
  async update(key: Key, update: Update): Promise<Item | Refused> {
    const command = new UpdateItemCommand({
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      ...update,
      TableName: this.table,
      Key: { ...key }
    })
    try {
      return (await this.persist(() => this.client.send(command))).Attributes ?? {}
    } catch (error) {
      if (nameOf(error) !== 'ConditionalCheckFailedException') throw error
      return { refused: true, item: (error as { Item?: Item }).Item }
    }
  }

  /** Puts the item where there is none; false: there is one. */
  async putNew(item: Item): Promise<boolean> {
    const command = new PutItemCommand({
      TableName: this.table,
      Item: item,
      ConditionExpression: 'attribute_not_exists(p)'
    })
    try {
      await this.persist(() => this.client.send(command))
      return true
    } catch (error) {
      if (nameOf(error) === 'ConditionalCheckFailedException') return false
      throw error
    }
  }

  /** undefined: it took place. Else the reason of each write, of which at least one is that its condition failed. */
  async transact(writes: readonly TransactWriteItem[]): Promise<readonly CancellationReason[] | undefined> {
    return await this.persist(async () => {
      // A token of its own for each try: the SDK repeats a try whose answer is lost under the same token, and DynamoDB
      // then answers as it did, but what was cancelled shall be decided anew.
      const ClientRequestToken = this.ports.ids.uid()
      try {
        await this.client.send(new TransactWriteItemsCommand({ TransactItems: [...writes], ClientRequestToken }))
        return undefined
      } catch (error) {
        const { CancellationReasons: reasons } = error as { CancellationReasons?: readonly CancellationReason[] }
        if (reasons?.some(({ Code }) => Code === 'ConditionalCheckFailed')) return reasons
        throw error
      }
    })
  }

  close(): void {
    this.client.destroy()
  }

  private async getBatch(keys: readonly Key[], found: Map<string, Item>): Promise<void> {
    let missing: Record<string, unknown>[] = keys.map((key) => ({ ...key }))
    for (let tries = 1; missing.length > 0; tries++) {
      const command = new BatchGetItemCommand({
        RequestItems: { [this.table]: { Keys: missing as Item[], ConsistentRead: true } }
      })
      const { Responses, UnprocessedKeys } = await this.persist(() => this.client.send(command))
      const items = Responses?.[this.table] ?? []
      for (const item of items) found.set(`${item.p?.S} ${item.s?.S}`, item)
      missing = UnprocessedKeys?.[this.table]?.Keys ?? []
      // What did not fit into 16 MB is asked for at once; where nothing came at all, the table is too busy.
      if (items.length > 0) tries = 0
      else if (missing.length > 0) await this.pause(tries, undefined)
    }
  }

  private async persist<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await call()
      } catch (error) {
        if (!isPassing(error)) throw error
        await this.pause(tries, error)
      }
    }
  }

  private async pause(tries: number, error: unknown): Promise<void> {
    if (tries >= MAX_TRIES) {
      this.ports.log.warn({ error, table: this.table }, 'DynamoDB refused a call again and again')
      throw new ApiError('TooManyRequests', 'the store is too busy: please try again later', {
        details: { retryAfterSeconds: 1 }
      })
    }
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), LONGEST_PAUSE_MS)
    await sleep(this.ports.clock, this.ports.random.next() * longest)
  }
}

/** Whether the call did not take place and may do so when tried again. */
function isPassing(error: unknown): boolean {
  const name = nameOf(error)
  if (THROTTLED.has(name) || CONFLICT.has(name)) return true
  const { CancellationReasons: reasons } = error as { CancellationReasons?: readonly CancellationReason[] }
  if (reasons === undefined) return false
  return reasons.every(({ Code = 'None' }) => Code === 'None' || THROTTLED.has(Code) || CONFLICT.has(Code))
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}
