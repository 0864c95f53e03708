/** What an instance knows of itself, from the instance metadata service, version 2 (a session token for each look). */
import { type Ports, sleep } from '../../core/ports.ts'

export interface InstanceFacts {
  /** "i-0123456789abcdef0": the node's name. */
  readonly id: string
  readonly zone: string
  readonly region: string
  /** "m7g.large" */
  readonly type: string
  readonly privateIP: string
  readonly account: string
}

export interface MetadataOptions {
  /** Default: the link-local address that every instance has. */
  readonly endpoint?: string
  readonly ports: Ports
  readonly fetch?: typeof fetch
}

const ENDPOINT = 'http://169.254.169.254'
/** Seconds. */
const TOKEN_LIFE = '300'
const REQUEST_MS = 5_000
/** An instance that just started may have no answer yet. */
const ATTEMPTS = 30
const PAUSE_MS = 1_000

/** Throws where the service does not answer for half a minute: this is no EC2 instance. */
export async function instanceFacts(options: MetadataOptions): Promise<InstanceFacts> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readFacts(options)
    } catch (error) {
      if (attempt === ATTEMPTS) throw new Error('the instance metadata service does not answer', { cause: error })
      options.ports.log.warn({ error: String(error) }, 'the instance metadata service did not answer')
      await sleep(options.ports.clock, PAUSE_MS)
    }
  }
}

async function readFacts({ endpoint = ENDPOINT, fetch: send = fetch }: MetadataOptions): Promise<InstanceFacts> {
  const ask = async (path: string, init: RequestInit) => {
    const response = await send(`${endpoint}/latest/${path}`, { ...init, signal: AbortSignal.timeout(REQUEST_MS) })
    if (!response.ok) throw new Error(`${path}: ${response.status}`)
    return (await response.text()).trim()
  }
  const life = { 'x-aws-ec2-metadata-token-ttl-seconds': TOKEN_LIFE }
  const token = await ask('api/token', { method: 'PUT', headers: life })
  const document = await ask('dynamic/instance-identity/document', { headers: { 'x-aws-ec2-metadata-token': token } })
  const known = JSON.parse(document) as Record<string, string>
  const need = (field: string) => {
    const value = known[field] ?? ''
    if (value === '') throw new Error(`the instance's identity document has no ${field}`)
    return value
  }
  return {
    id: need('instanceId'),
    zone: need('availabilityZone'),
    region: need('region'),
    type: need('instanceType'),
    privateIP: need('privateIp'),
    account: need('accountId')
  }
}

/** "arn:aws:ec2:REGION:ACCOUNT:instance/ID": as IAM knows the instance whose credentials are used. */
export function instanceArn({ region, account, id }: InstanceFacts): string {
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  return `arn:${partition}:ec2:${region}:${account}:instance/${id}`
}

/** Kubernetes' well-known labels of such a node. */
export function instanceLabels({ zone, region, type }: InstanceFacts): Record<string, string> {
  return {
    'topology.kubernetes.io/zone': zone,
    'topology.kubernetes.io/region': region,
    'node.kubernetes.io/instance-type': type
  }
}

/** As the cloud provider for AWS writes spec.providerID. */
export function providerID({ zone, id }: InstanceFacts): string {
  return `aws:///${zone}/${id}`
}
