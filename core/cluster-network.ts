/**
 * The addresses of a cluster on AWS, where no machine chooses them. The ranges are those of `./wherry up`; a VPC must
 * not overlap with them (infra/ makes 10.0.0.0/16).
 */
export const POD_CIDR = '10.244.0.0/16'
export const SERVICE_CIDR = '10.96.0.0/16'
/** The service `kubernetes`: the first address of the range. */
export const API_SERVICE_IP = '10.96.0.1'
export const CLUSTER_DNS = '10.96.0.10'
export const CLUSTER_DOMAIN = 'cluster.local'

/**
 * Where pods reach the API: each node has this link-local address, and the agent's proxy behind it (docs/adr/0008). It
 * is the endpoint of the service default/kubernetes. AWS' own link-local addresses are in 169.254.169.0/24 and
 * 169.254.170.0/23; NodeLocal DNSCache has 169.254.20.10.
 */
export const API_PROXY = { address: '169.254.20.1', port: 6443 } as const

/** By these names, and API_SERVICE_IP, pods know the API. */
export const API_SERVER_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  `kubernetes.default.svc.${CLUSTER_DOMAIN}`
] as const

/**
 * A node on AWS renews its lease each minute: with API Gateway's price that is $0.20 a month. After two that are missing
 * it counts as lost. The lease says so itself (leaseDurationSeconds), and node lifecycle goes by it.
 */
export const AWS_RENEW_MS = 60_000
export const AWS_LEASE_SECONDS = 150

/** vxlan's UDP port between nodes (IANA's), which their security group lets in. */
export const VXLAN_PORT = 4789
