import { Duration } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator, type Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { ClusterFunction } from './function.ts'
import { type ClusterNames, FUNCTION_NAMES, type FunctionName } from './names.ts'

export interface AlarmsProps {
  readonly names: ClusterNames
  readonly functions: Readonly<Record<FunctionName, ClusterFunction>>
  readonly dead: Queue
}

interface Row {
  readonly what: string
  readonly metric: Metric
  /** Over it is wrong. */
  readonly threshold: number
  /** For so many minutes on end. */
  readonly minutes: number
  readonly text: string
}

/** A change that waits for longer than this, in milliseconds, waits for a function that fails or is throttled. */
const STREAM_AGE_MS = 60_000

/** Six alarms, of the ten that an account has free; they act on nothing until `addAlarmAction` says on what. */
export class Alarms extends Construct {
  readonly alarms: readonly Alarm[]

  constructor(scope: Construct, id: string, { names, functions, dead }: AlarmsProps) {
    super(scope, id)
    const minute = { period: Duration.minutes(1) }
    const age = (name: FunctionName): Row => ({
      what: `${name}-stream-age`,
      metric: functions[name].function.metric('IteratorAge', { ...minute, statistic: 'Maximum' }),
      threshold: STREAM_AGE_MS,
      minutes: 3,
      text: `changes wait for the ${name}: see its log group`
    })
    const throttles = (name: FunctionName): Row => ({
      what: `${name}-throttles`,
      metric: functions[name].function.metricThrottles(minute),
      threshold: 0,
      minutes: 3,
      text: `the ${name} is refused for want of concurrency: see the quota of concurrent executions`
    })
    const letters: Row = {
      what: 'dead-letters',
      metric: dead.metricApproximateNumberOfMessagesVisible(minute),
      threshold: 0,
      minutes: 1,
      text: 'something failed again and again: wherry doctor shows what'
    }
    const rows = [age('reconciler'), age('scheduler'), ...FUNCTION_NAMES.map(throttles), letters]
    this.alarms = rows.map((row) => this.alarm(`${names.stack}-${row.what}`, row))
  }

  private alarm(alarmName: string, { what, metric, threshold, minutes, text }: Row): Alarm {
    return new Alarm(this, what, {
      alarmName,
      alarmDescription: text,
      metric,
      threshold,
      evaluationPeriods: minutes,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING
    })
  }
}
