/**
 * Which fields of Kubernetes' Go types hold a struct by value, so that it is there even when nobody set it. The
 * published OpenAPI tells it by `default: {}`, which schemas.json leaves out. Names are the same wherever they stand.
 */
const BY_VALUE = new Set([
  'acceptedNames',
  'backend',
  'clientConfig',
  'conditions',
  'current',
  'daemonEndpoints',
  'deprecatedSource',
  'describedObject',
  'devices',
  'involvedObject',
  'jobTemplate',
  'kubeletEndpoint',
  'lastState',
  'limitResponse',
  'loadBalancer',
  'metadata',
  'metric',
  'names',
  'nodeInfo',
  'podAffinityTerm',
  'podSelector',
  'pool',
  'port',
  'preference',
  'preferredVersion',
  'priorityLevelConfiguration',
  'regarding',
  'resources',
  'roleRef',
  'scaleTargetRef',
  'source',
  'spec',
  'state',
  'status',
  'strategy',
  'target',
  'template',
  'updateStrategy',
  'user',
  'userInfo'
])

/** Pointers, in spite of their name. */
const POINTERS = new Set([
  'ContainerStatus.resources',
  'ContainerStatus.user',
  'CustomResourceSubresources.status',
  'NetworkPolicyPeer.podSelector',
  'PodSpec.resources',
  'PodStatus.resources',
  'ReplicationControllerSpec.template',
  'Subject.user',
  'WebhookConversion.clientConfig'
])

/** `struct`: its name in schemas.json. Only for fields whose type is a struct. */
export function isStructByValue(struct: string, field: string): boolean {
  return BY_VALUE.has(field) && !POINTERS.has(`${struct.slice(struct.lastIndexOf('.') + 1)}.${field}`)
}

/** Optional in the schema, and yet without "omitempty" in Go: there, as a zero or null, even when nobody set it. */
const ALWAYS_PRINTED = new Set([
  'ClusterRole.rules',
  'EndpointSlice.ports',
  'Event.eventTime',
  'Event.firstTimestamp',
  'Event.lastTimestamp',
  'Event.reportingComponent',
  'Event.reportingInstance',
  'Role.rules',
  'StatefulSetSpec.serviceName',
  'StatefulSetStatus.availableReplicas'
])

export function isAlwaysPrinted(struct: string, field: string): boolean {
  return ALWAYS_PRINTED.has(`${struct.slice(struct.lastIndexOf('.') + 1)}.${field}`)
}
