/**
 * Which scalar fields Kubernetes' Go types hold by value and leave out when they are zero ("omitempty"), and which by
 * pointer, so that an explicit false, 0 or "" stays. The published schemas do not tell. "*" stands for any type.
 */

/** Left out when false; all other optional booleans are pointers. */
const PLAIN_BOOLEANS = new Set([
  '*.chapAuthDiscovery',
  '*.chapAuthSession',
  '*.globalDefault',
  '*.hostIPC',
  '*.hostNetwork',
  '*.hostPID',
  '*.paused',
  '*.publishNotReadyAddresses',
  '*.readOnly',
  '*.sslEnabled',
  '*.stdin',
  '*.stdinOnce',
  '*.tty',
  '*.unschedulable'
])

/** Left out when 0; all other optional integers are pointers. */
const PLAIN_INTEGERS = new Set([
  '*.availableReplicas',
  '*.count',
  '*.deprecatedCount',
  '*.failureThreshold',
  '*.fullyLabeledReplicas',
  '*.generation',
  '*.healthCheckNodePort',
  '*.hostPort',
  '*.initialDelaySeconds',
  '*.minReadySeconds',
  '*.nodePort',
  '*.observedGeneration',
  '*.periodSeconds',
  '*.readyReplicas',
  '*.signal',
  '*.sizeBytes',
  '*.successThreshold',
  '*.unavailableReplicas',
  '*.updatedReplicas',
  'AWSElasticBlockStoreVolumeSource.partition',
  'DeploymentStatus.replicas',
  'GCEPersistentDiskVolumeSource.partition',
  'Probe.timeoutSeconds',
  'ScaleSpec.replicas'
])

/** Kept when ""; all other optional strings are left out. */
const POINTER_STRINGS = new Set([
  '*.appProtocol',
  '*.localhostProfile',
  '*.mountPropagation',
  '*.preemptionPolicy',
  '*.recursiveReadOnly',
  '*.resourceClaimName',
  '*.resourceClaimTemplateName',
  '*.stopSignal',
  '*.storageClassName',
  '*.volumeAttributesClassName',
  '*.volumeMode',
  'AzureDiskVolumeSource.cachingMode',
  'AzureDiskVolumeSource.fsType',
  'AzureDiskVolumeSource.kind',
  'CSIVolumeSource.fsType',
  'ClusterTrustBundleProjection.name',
  'ClusterTrustBundleProjection.signerName',
  'Container.restartPolicy',
  'DeleteOptions.propagationPolicy',
  'Endpoint.hostname',
  'Endpoint.nodeName',
  'Endpoint.zone',
  'EndpointAddress.nodeName',
  'EphemeralContainer.restartPolicy',
  'GRPCAction.service',
  'HostPathVolumeSource.type',
  'ISCSIVolumeSource.initiatorName',
  'LeaseSpec.holderIdentity',
  'LeaseSpec.preferredHolder',
  'LeaseSpec.strategy',
  'LoadBalancerIngress.ipMode',
  'PodDNSConfigOption.value',
  'PodSecurityContext.fsGroupChangePolicy',
  'PodSecurityContext.seLinuxChangePolicy',
  'PodSecurityContext.supplementalGroupsPolicy',
  'PodSpec.hostnameOverride',
  'PodSpec.runtimeClassName',
  'PortStatus.error',
  'Preconditions.resourceVersion',
  'Preconditions.uid',
  'SecurityContext.procMount',
  'ServiceSpec.internalTrafficPolicy',
  'ServiceSpec.ipFamilyPolicy',
  'ServiceSpec.loadBalancerClass',
  'ServiceSpec.trafficDistribution',
  'TopologySpreadConstraint.nodeAffinityPolicy',
  'TopologySpreadConstraint.nodeTaintsPolicy',
  'TypedLocalObjectReference.apiGroup',
  'TypedObjectReference.apiGroup',
  'TypedObjectReference.namespace',
  'WindowsSecurityContextOptions.gmsaCredentialSpec',
  'WindowsSecurityContextOptions.gmsaCredentialSpecName',
  'WindowsSecurityContextOptions.runAsUserName'
])

/** The rule's exceptions: pointers in spite of "*" above. */
const POINTERS = new Set([
  'AzureDiskVolumeSource.readOnly',
  'CSIVolumeSource.readOnly',
  'HorizontalPodAutoscalerStatus.observedGeneration'
])

/** The ports of an EndpointSlice are all pointers, those of Endpoints are not, and both are called EndpointPort. */
const DISCOVERY_PORT = 'io.k8s.api.discovery.v1.EndpointPort'

/** `schema`: the struct's name in schemas.json; `type`: the field's. */
export function omitsZero(schema: string, field: string, type: string): boolean {
  if (schema === DISCOVERY_PORT) return false
  const struct = schema.slice(schema.lastIndexOf('.') + 1)
  const named = `${struct}.${field}`
  if (POINTERS.has(named)) return false
  const listed = (set: ReadonlySet<string>) => set.has(named) || set.has(`*.${field}`)
  switch (type) {
    case 'boolean':
      return listed(PLAIN_BOOLEANS)
    case 'integer':
      return listed(PLAIN_INTEGERS)
    case 'string':
      return !listed(POINTER_STRINGS)
    default:
      return false
  }
}
