/** The clients of AWS that a function needs, as ports. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Parameters } from './keys.ts'

/** Milliseconds. A request that AWS does not answer is tried again well before the function's own time is over. */
const CONNECT_MS = 2_000
const ANSWER_MS = 6_000

/** Credentials, region and an emulator's endpoint come from the environment. */
export function dynamoClient(): DynamoDBClient {
  return new DynamoDBClient({
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      httpsAgent: { keepAlive: true, maxSockets: 64 },
      httpAgent: { keepAlive: true, maxSockets: 64 }
    }
  })
}

/** Loaded when asked: two calls at a cold start. */
export function ssmParameters(): Parameters {
  const open = async () => {
    const ssm = await import('@aws-sdk/client-ssm')
    return { ssm, client: new ssm.SSMClient({}) }
  }
  let opened: ReturnType<typeof open> | undefined
  const client = () => {
    opened ??= open()
    return opened
  }
  return {
    async get(name) {
      const { ssm, client: at } = await client()
      try {
        const { Parameter } = await at.send(new ssm.GetParameterCommand({ Name: name, WithDecryption: true }))
        return Parameter?.Value
      } catch (error) {
        if (error instanceof ssm.ParameterNotFound) return undefined
        throw error
      }
    },
    async create(name, value) {
      const { ssm, client: at } = await client()
      const parameter = { Name: name, Value: value, Type: ssm.ParameterType.SECURE_STRING, Overwrite: false }
      try {
        await at.send(new ssm.PutParameterCommand({ ...parameter, Tier: ssm.ParameterTier.STANDARD }))
      } catch (error) {
        if (!(error instanceof ssm.ParameterAlreadyExists)) throw error
      }
    }
  }
}
