import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Ports } from '../../core/ports.ts'
import { Calls } from './dynamodb-calls.ts'
import { digits, EXPIRY, type Item, number, numberOf, SORT, textOf } from './dynamodb-items.ts'

/** How long the pieces of a stream lie in the table, in milliseconds. */
const KEPT_MS = 3_600_000
/** Pieces have up to 256 KB: a page of DynamoDB (1 MB) holds at least so many. */
const PAGE = 4
const HEAD = 'head'

export interface StreamPiece {
  readonly number: number
  readonly status: number | undefined
  readonly end: boolean
  readonly bytes: Uint8Array
}

/**
 * Pieces of streams on their way from one process to another, each one plain item that expires. They are not part of
 * the cluster's state: no numbers, no log, no transaction.
 */
export class DynamoRelay {
  private readonly calls: Calls
  private readonly ports: Ports

  constructor({ client, table, ports }: { client: DynamoDBClient; table: string; ports: Ports }) {
    this.calls = new Calls(client, table, ports)
    this.ports = ports
  }

  async hold(id: string, { node, until }: { node: string; until: number }): Promise<void> {
    await this.calls.update(keyOf(id, HEAD), {
      UpdateExpression: 'SET h = :h, u = :u, x = :x',
      ExpressionAttributeValues: { ':h': { S: node }, ':u': number(until), ':x': this.expiry() }
    })
  }

  async find(id: string): Promise<{ node: string; until: number } | undefined> {
    const item = await this.calls.get(keyOf(id, HEAD))
    return item === undefined ? undefined : { node: textOf(item, 'h'), until: numberOf(item, 'u') }
  }

  async put(id: string, piece: StreamPiece): Promise<void> {
    const { status, end, bytes } = piece
    await this.calls.putNew({
      ...keyOf(id, digits(piece.number)),
      b: { B: bytes },
      [EXPIRY]: this.expiry(),
      ...(status === undefined ? {} : { c: number(status) }),
      ...(end ? { e: number(1) } : {})
    })
  }

  async read(id: string, from: number): Promise<readonly StreamPiece[]> {
    const { items } = await this.calls.query({
      KeyConditionExpression: 'p = :p AND s BETWEEN :a AND :b',
      ExpressionAttributeValues: { ':p': keyOf(id, HEAD).p, ':a': { S: digits(from) }, ':b': { S: digits(2 ** 53) } },
      Limit: PAGE
    })
    return items.map(pieceOf)
  }

  private expiry(): { readonly N: string } {
    return number(Math.ceil((this.ports.clock.now() + KEPT_MS) / 1000))
  }
}

function pieceOf(item: Item): StreamPiece {
  return {
    number: Number(textOf(item, SORT)),
    status: item.c === undefined ? undefined : numberOf(item, 'c'),
    end: item.e !== undefined,
    bytes: item.b?.B ?? new Uint8Array()
  }
}

function keyOf(id: string, part: string) {
  return { p: { S: `relay#${id}` }, s: { S: part } }
}
