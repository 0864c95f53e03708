/** SSM, loaded when a process first needs it: a bundle holds only the commands that are named here. */
import {
  GetParameterCommand,
  ParameterAlreadyExists,
  ParameterNotFound,
  PutParameterCommand,
  SSMClient
} from '@aws-sdk/client-ssm'
import type { Parameters } from './keys.ts'

/** SecureStrings of the standard tier under the account's own key: neither costs anything by the month. */
export function ssmParameters(): Parameters {
  const client = new SSMClient({})
  return {
    async get(name) {
      try {
        const { Parameter } = await client.send(new GetParameterCommand({ Name: name, WithDecryption: true }))
        return Parameter?.Value
      } catch (error) {
        if (error instanceof ParameterNotFound) return undefined
        throw error
      }
    },
    async create(name, value) {
      const parameter = { Name: name, Value: value, Type: 'SecureString', Tier: 'Standard', Overwrite: false } as const
      try {
        await client.send(new PutParameterCommand(parameter))
      } catch (error) {
        if (!(error instanceof ParameterAlreadyExists)) throw error
      }
    }
  }
}
