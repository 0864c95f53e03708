/** The function "api" (docs/adr/0006-aws.md): API Gateway REST's events, answered by the control plane of this process. */
import middy from '@middy/core'
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse'
import type { Context } from 'aws-lambda'
import { lambdaPorts, warmCloud } from '../cloud/cloud.ts'
import { createGateway } from './gateway.ts'
import type { GatewayEvent } from './gateway-request.ts'

const gateway = createGateway({ open: async () => (await warmCloud()).api, ports: lambdaPorts() })

/** Whole answers: where the integration is buffered. */
const whole = async (event: GatewayEvent, context: Context) =>
  await gateway.whole(event, context.getRemainingTimeInMillis())

/** `awslambda.streamifyResponse`: where the integration streams, and then for every answer. */
const stream = async (event: GatewayEvent, context: Context) =>
  await gateway.stream(event, context.getRemainingTimeInMillis())

// The gateway answers before the time is over by itself.
const timeoutEarlyInMillis = 0

export const handler =
  process.env.WHERRY_STREAMING === 'true'
    ? middy<GatewayEvent>({ timeoutEarlyInMillis, executionMode: executionModeStreamifyResponse }).handler(stream)
    : middy<GatewayEvent>({ timeoutEarlyInMillis }).handler(whole)
