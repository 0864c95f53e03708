import { CloudFormationClient, DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation'
import { CliError } from '../errors.ts'
import type { Session } from './session.ts'

/** The stack, or undefined when there is none. */
export async function describeStack(session: Session, name: string): Promise<Stack | undefined> {
  const client = new CloudFormationClient(session.client)
  try {
    const { Stacks: [stack] = [] } = await client.send(new DescribeStacksCommand({ StackName: name }))
    return stack?.StackStatus === 'DELETE_COMPLETE' ? undefined : stack
  } catch (error) {
    if (error instanceof Error && /does not exist/.test(error.message)) return undefined
    throw error
  } finally {
    client.destroy()
  }
}

export function output(stack: Stack, key: string): string | undefined {
  return stack.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue
}

/** The API's URL of a cluster; throws where it is not deployed. */
export async function endpointOf(session: Session, cluster: string): Promise<string> {
  const stack = await describeStack(session, `wherry-${cluster}`)
  const endpoint = stack === undefined ? undefined : output(stack, 'Endpoint')
  if (endpoint !== undefined) return endpoint
  throw new CliError(`no cluster called ${cluster} is in ${session.region} of account ${session.account}`, {
    hint: `deploy it: ./wherry deploy --name ${cluster} --region ${session.region}`
  })
}
