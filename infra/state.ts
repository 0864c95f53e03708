import { RemovalPolicy } from 'aws-cdk-lib'
import { AttributeType, BillingMode, StreamViewType, Table } from 'aws-cdk-lib/aws-dynamodb'
import type { Role } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import type { ClusterNames } from './names.ts'
import { allow } from './rights.ts'

export interface StateProps {
  readonly names: ClusterNames
  /**
   * What becomes of the objects when the stack is deleted.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy
}

/**
 * The state of one cluster: one DynamoDB table, which costs what is read, written and stored, and nothing while idle.
 * Its items are described in store/backends/dynamodb-items.ts. Its stream carries keys only: it rings, it tells nothing.
 */
export class State extends Construct {
  readonly table: Table

  constructor(scope: Construct, id: string, { names, removalPolicy = RemovalPolicy.RETAIN }: StateProps) {
    super(scope, id)
    this.table = new Table(this, 'Table', {
      tableName: names.table,
      partitionKey: { name: 'p', type: AttributeType.STRING },
      sortKey: { name: 's', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      timeToLiveAttribute: 'x',
      stream: StreamViewType.KEYS_ONLY,
      removalPolicy
    })
  }

  /** What the store does with its items: nothing that makes, describes or deletes tables, and no scan. */
  allowStore(role: Role): void {
    allow(role, 'Store', {
      actions: ['BatchGetItem', 'ConditionCheckItem', 'DeleteItem', 'GetItem', 'PutItem', 'Query', 'UpdateItem'].map(
        (action) => `dynamodb:${action}`
      ),
      resources: [this.table.tableArn]
    })
  }

  /** To read the table's stream as a function's event source. */
  allowStream(role: Role): void {
    allow(role, 'Stream', {
      actions: ['dynamodb:DescribeStream', 'dynamodb:GetRecords', 'dynamodb:GetShardIterator'],
      resources: [this.table.tableStreamArn ?? '']
    })
    allow(role, 'ListStreams', {
      actions: ['dynamodb:ListStreams'],
      resources: [`${this.table.tableArn}/stream/*`],
      why: "Lambda asks for the streams of the table, which are called by the time they were made: this table's only"
    })
  }
}
