import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Instance {
  readonly id: string
  readonly zone: string
  readonly region: string
  readonly type: string
  readonly privateIP: string
  readonly account: string
}

export interface RoleCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
}

const ROLE = 'wherry-node'
const HOURS_6 = 6 * 3_600_000

/** An instance metadata service as EC2's: version 2 only. `role`: credentials of the instance's role, if it has one. */
export function metadataServer(
  instance: Instance,
  role?: RoleCredentials
): (request: IncomingMessage, response: ServerResponse) => void {
  const tokens = new Set<string>()
  const values: Record<string, string | undefined> = {
    'dynamic/instance-identity/document': JSON.stringify({
      accountId: instance.account,
      architecture: 'x86_64',
      availabilityZone: instance.zone,
      instanceId: instance.id,
      instanceType: instance.type,
      privateIp: instance.privateIP,
      region: instance.region,
      version: '2017-09-30'
    }),
    'meta-data/instance-id': instance.id,
    ...(role === undefined
      ? {}
      : {
          'meta-data/iam/security-credentials/': ROLE,
          [`meta-data/iam/security-credentials/${ROLE}`]: JSON.stringify({
            Code: 'Success',
            Type: 'AWS-HMAC',
            AccessKeyId: role.accessKeyId,
            SecretAccessKey: role.secretAccessKey,
            Token: role.sessionToken,
            LastUpdated: new Date().toISOString(),
            Expiration: new Date(Date.now() + HOURS_6).toISOString()
          })
        })
  }
  return (request, response) => {
    const answer = (status: number, text = '') => response.writeHead(status, { 'content-type': 'text/plain' }).end(text)
    const path = (request.url ?? '').replace('/latest/', '')
    if (path === 'api/token') {
      if (request.method !== 'PUT' || request.headers['x-aws-ec2-metadata-token-ttl-seconds'] === undefined)
        return answer(400)
      const token = randomUUID()
      tokens.add(token)
      return answer(200, token)
    }
    if (!tokens.has(String(request.headers['x-aws-ec2-metadata-token']))) return answer(401)
    const value = values[path]
    return value === undefined ? answer(404) : answer(200, value)
  }
}
