/**
 * Table: AWS' prices in us-east-1, in dollars, as of 2026 (the facts that the design was made from; CloudWatch and
 * storage: AWS' price pages). `free`: a month's allowance that does not end after the first year.
 */
export interface Price {
  readonly what: string
  /** As in "million requests". */
  readonly per: string
  /** How many of the metered unit that is. */
  readonly units: number
  readonly dollars: number
  /** In the metered unit, a month. */
  readonly free: number
}

const MILLION = 1e6

export const PRICES = {
  gateway: { what: 'API Gateway requests', per: 'million', units: MILLION, dollars: 3.5, free: 0 },
  lambdaRequests: { what: 'Lambda requests', per: 'million', units: MILLION, dollars: 0.2, free: MILLION },
  lambdaSeconds: { what: 'Lambda GB-seconds (arm64)', per: 'GB-s', units: 1, dollars: 0.0000133334, free: 400_000 },
  writes: { what: 'DynamoDB write units', per: 'million', units: MILLION, dollars: 0.625, free: 0 },
  reads: { what: 'DynamoDB read units', per: 'million', units: MILLION, dollars: 0.125, free: 0 },
  sqs: { what: 'SQS requests', per: 'million', units: MILLION, dollars: 0.4, free: MILLION },
  ticks: { what: 'EventBridge invocations', per: 'million', units: MILLION, dollars: 1, free: 14 * MILLION },
  logs: { what: 'CloudWatch Logs bytes taken in', per: 'GB', units: 1e9, dollars: 0.5, free: 5e9 },
  alarms: { what: 'CloudWatch alarms', per: 'alarm', units: 1, dollars: 0.1, free: 10 },
  storage: { what: 'DynamoDB bytes stored', per: 'GB', units: 1e9, dollars: 0.25, free: 25e9 },
  recovery: { what: 'DynamoDB point-in-time recovery', per: 'GB', units: 1e9, dollars: 0.2, free: 0 }
} as const satisfies Readonly<Record<string, Price>>

export type Metered = keyof typeof PRICES

/** What EKS asks for a control plane in standard support: $0.10 an hour. */
export const EKS_DOLLARS = 73

export const HOURS_A_MONTH = 730
