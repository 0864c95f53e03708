import { Stack, Validations } from 'aws-cdk-lib'
import { Policy, PolicyStatement, type PolicyStatementProps, type Role } from 'aws-cdk-lib/aws-iam'

export interface Right extends Pick<PolicyStatementProps, 'conditions'> {
  readonly actions: string[]
  readonly resources: string[]
  /** Required where an action or a resource has a wildcard: why it cannot be narrower. The template shows it, too. */
  readonly why?: string
}

/**
 * Lets a role do something, by a policy of its own: so each right stands in the template beside the reason for its
 * wildcards. Throws where a wildcard has no reason, or a reason no wildcard.
 */
export function allow(role: Role, id: string, { actions, resources, conditions, why }: Right): void {
  const statement = new PolicyStatement({ actions, resources, ...(conditions === undefined ? {} : { conditions }) })
  // Below the role, so that whatever waits for the role waits for its rights.
  const policy = new Policy(role, id, { statements: [statement], roles: [role] })
  const findings = [
    ...actions.map((action) => `Action::${action}`),
    ...resources.map((resource) => `Resource::${printed(Stack.of(role).resolve(resource))}`)
  ].filter((text) => text.includes('*'))
  if (findings.length > 0 !== (why !== undefined)) {
    throw new Error(`${policy.node.path}: ${why ? 'a reason without a wildcard' : 'a wildcard without a reason'}`)
  }
  for (const finding of findings) {
    Validations.of(policy).acknowledge({ id: `AwsSolutions-IAM5[${finding}]`, reason: why ?? '' })
  }
}

interface Reference {
  readonly 'Fn::Join'?: readonly [string, readonly (string | Reference)[]]
  readonly 'Fn::GetAtt'?: readonly [string, string]
  readonly Ref?: string
}

/** A text of a template as cdk-nag prints it: what the template refers to in angle brackets. */
function printed(text: string | Reference): string {
  if (typeof text === 'string') return text
  const { 'Fn::Join': join, 'Fn::GetAtt': attribute, Ref: ref } = text
  return join === undefined ? `<${ref ?? attribute?.join('.')}>` : join[1].map(printed).join(join[0])
}
