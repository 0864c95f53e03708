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
  '*.unschedulable',
  'APIServiceSpec.insecureSkipTLSVerify',
  'ResourcePolicyRule.clusterScope'
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
  'DaemonSetStatus.numberAvailable',
  'DaemonSetStatus.numberUnavailable',
  'DaemonSetStatus.updatedNumberScheduled',
  'DeploymentStatus.replicas',
  'GCEPersistentDiskVolumeSource.partition',
  'HorizontalPodAutoscalerStatus.currentReplicas',
  'JobStatus.active',
  'JobStatus.failed',
  'JobStatus.succeeded',
  'Probe.timeoutSeconds',
  'ScaleSpec.replicas',
  'ServiceBackendPort.number',
  'StatefulSetStatus.currentReplicas'
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
  'AllocatedDeviceStatus.shareID',
  'AzureDiskVolumeSource.cachingMode',
  'AzureDiskVolumeSource.fsType',
  'AzureDiskVolumeSource.kind',
  'AzureFilePersistentVolumeSource.secretNamespace',
  'CSIDriverSpec.fsGroupPolicy',
  'CSIVolumeSource.fsType',
  'ClusterTrustBundleProjection.name',
  'ClusterTrustBundleProjection.signerName',
  'Container.restartPolicy',
  'CronJobSpec.timeZone',
  'DeleteOptions.propagationPolicy',
  'Device.nodeName',
  'DeviceAttribute.string',
  'DeviceAttribute.version',
  'DeviceClassSpec.extendedResourceName',
  'DeviceConstraint.distinctAttribute',
  'DeviceConstraint.matchAttribute',
  'DeviceRequestAllocationResult.shareID',
  'Endpoint.hostname',
  'Endpoint.nodeName',
  'Endpoint.zone',
  'EndpointAddress.nodeName',
  'EphemeralContainer.restartPolicy',
  'GRPCAction.service',
  'GlusterfsPersistentVolumeSource.endpointsNamespace',
  'HPAScalingRules.selectPolicy',
  'HostPathVolumeSource.type',
  'ISCSIPersistentVolumeSource.initiatorName',
  'ISCSIVolumeSource.initiatorName',
  'IngressClassParametersReference.apiGroup',
  'IngressClassParametersReference.namespace',
  'IngressClassParametersReference.scope',
  'IngressPortStatus.error',
  'IngressSpec.ingressClassName',
  'JobSpec.completionMode',
  'JobSpec.managedBy',
  'JobSpec.podReplacementPolicy',
  'JobStatus.failedIndexes',
  'LeaseSpec.holderIdentity',
  'LeaseSpec.preferredHolder',
  'LeaseSpec.strategy',
  'LoadBalancerIngress.ipMode',
  'LocalVolumeSource.fsType',
  'MatchResources.matchPolicy',
  'MutatingWebhook.failurePolicy',
  'MutatingWebhook.matchPolicy',
  'MutatingWebhook.reinvocationPolicy',
  'NamedRuleWithOperations.scope',
  'NetworkPolicyPort.protocol',
  'ParamRef.parameterNotFoundAction',
  'PersistentVolumeClaimStatus.currentVolumeAttributesClassName',
  'PodDNSConfigOption.value',
  'PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy',
  'PodFailurePolicyOnExitCodesRequirement.containerName',
  'PodFailurePolicyOnPodConditionsPattern.status',
  'PodSecurityContext.fsGroupChangePolicy',
  'PodSecurityContext.seLinuxChangePolicy',
  'PodSecurityContext.supplementalGroupsPolicy',
  'PodSpec.hostnameOverride',
  'PodSpec.runtimeClassName',
  'PortStatus.error',
  'Preconditions.resourceVersion',
  'Preconditions.uid',
  'ResourceSliceSpec.nodeName',
  'RuleWithOperations.scope',
  'SecurityContext.procMount',
  'ServiceReference.path',
  'ServiceSpec.internalTrafficPolicy',
  'ServiceSpec.ipFamilyPolicy',
  'ServiceSpec.loadBalancerClass',
  'ServiceSpec.trafficDistribution',
  'StatefulSetSpec.serviceName',
  'StorageClass.reclaimPolicy',
  'StorageClass.volumeBindingMode',
  'SuccessPolicyRule.succeededIndexes',
  'TopologySpreadConstraint.nodeAffinityPolicy',
  'TopologySpreadConstraint.nodeTaintsPolicy',
  'TypedLocalObjectReference.apiGroup',
  'TypedObjectReference.apiGroup',
  'TypedObjectReference.namespace',
  'ValidatingAdmissionPolicySpec.failurePolicy',
  'ValidatingWebhook.failurePolicy',
  'ValidatingWebhook.matchPolicy',
  'Validation.reason',
  'VolumeAttachmentSource.persistentVolumeName',
  'WebhookClientConfig.url',
  'WindowsSecurityContextOptions.gmsaCredentialSpec',
  'WindowsSecurityContextOptions.gmsaCredentialSpecName',
  'WindowsSecurityContextOptions.runAsUserName'
])

/** The rule's exceptions: pointers in spite of "*" above. */
const POINTERS = new Set([
  'AzureDiskVolumeSource.readOnly',
  'CSIVolumeSource.readOnly',
  'HorizontalPodAutoscalerStatus.observedGeneration',
  'StatefulSetStatus.availableReplicas',
  'VolumeNodeResources.count'
])

/** By value in spite of the "*" of POINTER_STRINGS. */
const PLAIN_STRINGS = new Set(['PersistentVolumeSpec.storageClassName'])

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
      return PLAIN_STRINGS.has(named) || !listed(POINTER_STRINGS)
    default:
      return false
  }
}

/** Structs that Go holds by value: printed as {} when they are empty. */
const PLAIN_STRUCTS = new Set([
  'APIService.spec',
  'APIService.status',
  'AllocationResult.devices',
  'CSIDriver.spec',
  'CSINode.spec',
  'CertificateSigningRequest.spec',
  'CertificateSigningRequest.status',
  'ContainerResourceMetricSource.target',
  'ContainerResourceMetricStatus.current',
  'CronJob.spec',
  'CronJob.status',
  'CronJobSpec.jobTemplate',
  'DaemonSet.spec',
  'DaemonSet.status',
  'DaemonSetSpec.template',
  'DaemonSetSpec.updateStrategy',
  'DeviceClass.spec',
  'Event.deprecatedSource',
  'Event.regarding',
  'ExternalMetricSource.metric',
  'ExternalMetricSource.target',
  'ExternalMetricStatus.current',
  'ExternalMetricStatus.metric',
  'FlowSchema.spec',
  'FlowSchema.status',
  'FlowSchemaSpec.priorityLevelConfiguration',
  'HTTPIngressPath.backend',
  'HorizontalPodAutoscaler.spec',
  'HorizontalPodAutoscaler.status',
  'HorizontalPodAutoscalerSpec.scaleTargetRef',
  'IPAddress.spec',
  'Ingress.spec',
  'Ingress.status',
  'IngressClass.spec',
  'IngressServiceBackend.port',
  'IngressStatus.loadBalancer',
  'Job.spec',
  'Job.status',
  'JobSpec.template',
  'JobTemplateSpec.spec',
  'LimitRange.spec',
  'LimitedPriorityLevelConfiguration.limitResponse',
  'MutatingWebhook.clientConfig',
  'NetworkPolicy.spec',
  'NetworkPolicySpec.podSelector',
  'ObjectMetricSource.describedObject',
  'ObjectMetricSource.metric',
  'ObjectMetricSource.target',
  'ObjectMetricStatus.current',
  'ObjectMetricStatus.describedObject',
  'ObjectMetricStatus.metric',
  'PersistentVolume.spec',
  'PersistentVolume.status',
  'PersistentVolumeClaim.spec',
  'PersistentVolumeClaim.status',
  'PersistentVolumeClaimSpec.resources',
  'PersistentVolumeClaimTemplate.spec',
  'PodDisruptionBudget.spec',
  'PodDisruptionBudget.status',
  'PodsMetricSource.metric',
  'PodsMetricSource.target',
  'PodsMetricStatus.current',
  'PodsMetricStatus.metric',
  'PriorityLevelConfiguration.spec',
  'PriorityLevelConfiguration.status',
  'ReplicationController.spec',
  'ReplicationController.status',
  'ResourceClaim.spec',
  'ResourceClaim.status',
  'ResourceClaimSpec.devices',
  'ResourceClaimTemplate.spec',
  'ResourceClaimTemplateSpec.spec',
  'ResourceMetricSource.target',
  'ResourceMetricStatus.current',
  'ResourceQuota.spec',
  'ResourceQuota.status',
  'ResourceSlice.spec',
  'ResourceSliceSpec.pool',
  'ServiceCIDR.spec',
  'ServiceCIDR.status',
  'StatefulSet.spec',
  'StatefulSet.status',
  'StatefulSetSpec.template',
  'StatefulSetSpec.updateStrategy',
  'ValidatingAdmissionPolicy.spec',
  'ValidatingAdmissionPolicy.status',
  'ValidatingAdmissionPolicyBinding.spec',
  'ValidatingWebhook.clientConfig',
  'VolumeAttachment.spec',
  'VolumeAttachment.status',
  'VolumeAttachmentSpec.source'
])

/** Printed as null when they are missing: lists and times without "omitempty". */
const PRINTED_NULLS = new Set([
  'APIServiceCondition.lastTransitionTime',
  'AllocatedDeviceStatus.conditions',
  'CSINodeDriver.topologyKeys',
  'CSINodeSpec.drivers',
  'CertificateSigningRequestCondition.lastTransitionTime',
  'CertificateSigningRequestCondition.lastUpdateTime',
  'Condition.lastTransitionTime',
  'DaemonSetCondition.lastTransitionTime',
  'DeviceClaim.requests',
  'Event.deprecatedFirstTimestamp',
  'Event.eventTime',
  'EventSeries.lastObservedTime',
  'Event.deprecatedLastTimestamp',
  'FlowSchemaCondition.lastTransitionTime',
  'HTTPIngressRuleValue.paths',
  'HorizontalPodAutoscalerCondition.lastTransitionTime',
  'HorizontalPodAutoscalerStatus.currentMetrics',
  'IngressClassParametersReference.scope',
  'JobCondition.lastProbeTime',
  'JobCondition.lastTransitionTime',
  'LimitRangeSpec.limits',
  'MutatingWebhook.admissionReviewVersions',
  'NonResourcePolicyRule.nonResourceURLs',
  'NonResourcePolicyRule.verbs',
  'PersistentVolumeClaimCondition.lastProbeTime',
  'PersistentVolumeClaimCondition.lastTransitionTime',
  'PodFailurePolicy.rules',
  'PodFailurePolicyOnExitCodesRequirement.values',
  'PolicyRulesWithSubjects.subjects',
  'PriorityLevelConfigurationCondition.lastTransitionTime',
  'ReplicationControllerCondition.lastTransitionTime',
  'ResourcePolicyRule.apiGroups',
  'ResourcePolicyRule.resources',
  'ResourcePolicyRule.verbs',
  'StatefulSetCondition.lastTransitionTime',
  'SuccessPolicy.rules',
  'TopologySelectorLabelRequirement.values',
  'ValidatingWebhook.admissionReviewVersions',
  'VolumeError.time'
])

/** Scalars that Go prints though the schema does not require them. */
const PRINTED_SCALARS: Readonly<Record<string, string | number>> = {
  'FlowSchemaSpec.matchingPrecedence': 0,
  'PodFailurePolicyOnPodConditionsPattern.status': '',
  'QueuingConfiguration.handSize': 0,
  'QueuingConfiguration.queueLengthLimit': 0,
  'QueuingConfiguration.queues': 0,
  'StatefulSetOrdinals.start': 0,
  'StatefulSetSpec.serviceName': '',
  'StatefulSetStatus.availableReplicas': 0
}

/** What Go prints for a field that nobody set: a struct of its own zero values, null, a scalar; undefined: nothing. */
export function printedZero(schema: string, field: string): 'struct' | { readonly value: unknown } | undefined {
  const named = `${schema.slice(schema.lastIndexOf('.') + 1)}.${field}`
  if (PLAIN_STRUCTS.has(named)) return 'struct'
  if (PRINTED_NULLS.has(named)) return { value: null }
  return Object.hasOwn(PRINTED_SCALARS, named) ? { value: PRINTED_SCALARS[named] } : undefined
}
