/**
 * Objects as Kubernetes' internal Go types print them: some messages show a whole struct as JSON, with the names of Go's
 * fields in the order of their declaration and every field present. The table says each type's fields.
 */
import { canonicalQuantity } from '../quantity.ts'
import { printedSelector, sorted } from './checks.ts'
import type { LabelSelector, PodSpec, PodTemplateSpec, Quantity } from './types.ts'

/**
 * "Name:type". Types: string, int, bool; * (a pointer to something plain, null when absent), []string, map, quantities,
 * selector (metav1.LabelSelector, which prints as the API does), any; T (a struct), *T, []T. "Go=json" where the API's
 * name is not Go's with a small first letter. "+T": T's fields stand here.
 */
const CONTAINER_FIELDS =
  'Name:string Image:string Command:[]string Args:[]string WorkingDir:string Ports:[]ContainerPort ' +
  'EnvFrom:[]EnvFromSource Env:[]EnvVar Resources:ResourceRequirements ResizePolicy:[]ContainerResizePolicy ' +
  'RestartPolicy:* RestartPolicyRules:[]ContainerRestartRule VolumeMounts:[]VolumeMount VolumeDevices:[]VolumeDevice ' +
  'LivenessProbe:*Probe ReadinessProbe:*Probe StartupProbe:*Probe Lifecycle:*Lifecycle TerminationMessagePath:string ' +
  'TerminationMessagePolicy:string ImagePullPolicy:string SecurityContext:*SecurityContext Stdin:bool StdinOnce:bool ' +
  'TTY=tty:bool'

const STRUCTS: Readonly<Record<string, string>> = {
  PodSpec:
    'Volumes:[]Volume InitContainers:[]Container Containers:[]Container EphemeralContainers:[]EphemeralContainer ' +
    'RestartPolicy:string TerminationGracePeriodSeconds:* ActiveDeadlineSeconds:* DNSPolicy=dnsPolicy:string ' +
    'NodeSelector:map ServiceAccountName:string AutomountServiceAccountToken:* NodeName:string ' +
    'SecurityContext:*PodSecurityContext ImagePullSecrets:[]LocalObjectReference Hostname:string Subdomain:string ' +
    'SetHostnameAsFQDN:* Affinity:*Affinity SchedulerName:string Tolerations:[]Toleration HostAliases:[]HostAlias ' +
    'PriorityClassName:string Priority:* PreemptionPolicy:* DNSConfig=dnsConfig:*PodDNSConfig ' +
    'ReadinessGates:[]PodReadinessGate RuntimeClassName:* Overhead:quantities EnableServiceLinks:* ' +
    'TopologySpreadConstraints:[]TopologySpreadConstraint OS=os:*PodOS SchedulingGates:[]PodSchedulingGate ' +
    'ResourceClaims:[]PodResourceClaim Resources:*ResourceRequirements HostnameOverride:* ' +
    'WorkloadRef:*WorkloadReference',
  Container: CONTAINER_FIELDS,
  EphemeralContainer: `${CONTAINER_FIELDS} TargetContainerName:string`,
  DeviceAttribute: 'IntValue=int:* BoolValue=bool:* StringValue=string:* VersionValue=version:*',
  ContainerPort: 'Name:string HostPort:int ContainerPort:int Protocol:string HostIP:string',
  EnvFromSource: 'Prefix:string ConfigMapRef:*NamedSource SecretRef:*NamedSource',
  NamedSource: 'Name:string Optional:*',
  EnvVar: 'Name:string Value:string ValueFrom:*EnvVarSource',
  EnvVarSource:
    'FieldRef:*ObjectFieldSelector ResourceFieldRef:*ResourceFieldSelector ConfigMapKeyRef:*KeySelector ' +
    'SecretKeyRef:*KeySelector FileKeyRef:*FileKeySelector',
  ObjectFieldSelector: 'APIVersion=apiVersion:string FieldPath:string',
  ResourceFieldSelector: 'ContainerName:string Resource:string Divisor:any',
  KeySelector: 'Name:string Key:string Optional:*',
  FileKeySelector: 'VolumeName:string Path:string Key:string Optional:*',
  ResourceRequirements: 'Limits:quantities Requests:quantities Claims:[]ResourceClaim',
  ResourceClaim: 'Name:string Request:string',
  ContainerResizePolicy: 'ResourceName:string RestartPolicy:string',
  ContainerRestartRule: 'Action:string ExitCodes:*RestartExitCodes',
  RestartExitCodes: 'Operator:string Values:[]int',
  VolumeMount:
    'Name:string ReadOnly:bool RecursiveReadOnly:* MountPath:string SubPath:string MountPropagation:* SubPathExpr:string',
  VolumeDevice: 'Name:string DevicePath:string',
  Probe:
    'Exec:*ExecAction HTTPGet=httpGet:*HTTPGetAction TCPSocket=tcpSocket:*TCPSocketAction GRPC=grpc:*GRPCAction ' +
    'InitialDelaySeconds:int TimeoutSeconds:int PeriodSeconds:int SuccessThreshold:int FailureThreshold:int ' +
    'TerminationGracePeriodSeconds:*',
  Lifecycle: 'PostStart:*LifecycleHandler PreStop:*LifecycleHandler StopSignal:*',
  LifecycleHandler:
    'Exec:*ExecAction HTTPGet=httpGet:*HTTPGetAction TCPSocket=tcpSocket:*TCPSocketAction Sleep:*SleepAction',
  ExecAction: 'Command:[]string',
  HTTPGetAction: 'Path:string Port:any Host:string Scheme:string HTTPHeaders=httpHeaders:[]HTTPHeader',
  HTTPHeader: 'Name:string Value:string',
  TCPSocketAction: 'Port:any Host:string',
  GRPCAction: 'Port:int Service:*',
  SleepAction: 'Seconds:int',
  SecurityContext:
    'Capabilities:*Capabilities Privileged:* SELinuxOptions=seLinuxOptions:*SELinuxOptions ' +
    'WindowsOptions:*WindowsOptions RunAsUser:* RunAsGroup:* RunAsNonRoot:* ReadOnlyRootFilesystem:* ' +
    'AllowPrivilegeEscalation:* ProcMount:* SeccompProfile:*SeccompProfile AppArmorProfile:*SeccompProfile',
  PodSecurityContext:
    'HostNetwork:bool HostPID:bool HostIPC:bool ShareProcessNamespace:* HostUsers:* ' +
    'SELinuxOptions=seLinuxOptions:*SELinuxOptions WindowsOptions:*WindowsOptions RunAsUser:* RunAsGroup:* ' +
    'RunAsNonRoot:* SupplementalGroups:[]int SupplementalGroupsPolicy:* FSGroup=fsGroup:* ' +
    'FSGroupChangePolicy=fsGroupChangePolicy:* Sysctls:[]HTTPHeader SeccompProfile:*SeccompProfile ' +
    'AppArmorProfile:*SeccompProfile SELinuxChangePolicy=seLinuxChangePolicy:*',
  Capabilities: 'Add:[]string Drop:[]string',
  SELinuxOptions: 'User:string Role:string Type:string Level:string',
  WindowsOptions:
    'GMSACredentialSpecName=gmsaCredentialSpecName:* GMSACredentialSpec=gmsaCredentialSpec:* RunAsUserName:* ' +
    'HostProcess:*',
  SeccompProfile: 'Type:string LocalhostProfile:*',
  LocalObjectReference: 'Name:string',
  HostAlias: 'IP=ip:string Hostnames:[]string',
  PodDNSConfig: 'Nameservers:[]string Searches:[]string Options:[]DNSOption',
  DNSOption: 'Name:string Value:*',
  PodReadinessGate: 'ConditionType:string',
  PodSchedulingGate: 'Name:string',
  PodOS: 'Name:string',
  PodResourceClaim: 'Name:string ResourceClaimName:* ResourceClaimTemplateName:*',
  WorkloadReference: 'Name:string PodGroup:string PodGroupReplicaKey:string',
  Toleration: 'Key:string Operator:string Value:string Effect:string TolerationSeconds:*',
  Taint: 'Key:string Value:string Effect:string TimeAdded:*',
  Affinity: 'NodeAffinity:*NodeAffinity PodAffinity:*PodAffinity PodAntiAffinity:*PodAffinity',
  NodeAffinity:
    'RequiredDuringSchedulingIgnoredDuringExecution:*NodeSelector ' +
    'PreferredDuringSchedulingIgnoredDuringExecution:[]PreferredTerm',
  NodeSelector: 'NodeSelectorTerms:[]NodeSelectorTerm',
  NodeSelectorTerm: 'MatchExpressions:[]NodeRequirement MatchFields:[]NodeRequirement',
  NodeRequirement: 'Key:string Operator:string Values:[]string',
  PreferredTerm: 'Weight:int Preference:NodeSelectorTerm',
  PodAffinity:
    'RequiredDuringSchedulingIgnoredDuringExecution:[]PodAffinityTerm ' +
    'PreferredDuringSchedulingIgnoredDuringExecution:[]WeightedTerm',
  WeightedTerm: 'Weight:int PodAffinityTerm:PodAffinityTerm',
  PodAffinityTerm:
    'LabelSelector:selector Namespaces:[]string TopologyKey:string NamespaceSelector:selector MatchLabelKeys:[]string ' +
    'MismatchLabelKeys:[]string',
  TopologySpreadConstraint:
    'MaxSkew:int TopologyKey:string WhenUnsatisfiable:string LabelSelector:selector MinDomains:* NodeAffinityPolicy:* ' +
    'NodeTaintsPolicy:* MatchLabelKeys:[]string',
  Volume:
    'Name:string HostPath:*HostPath EmptyDir:*EmptyDir GCEPersistentDisk=gcePersistentDisk:*GceDisk ' +
    'AWSElasticBlockStore=awsElasticBlockStore:*AwsDisk GitRepo:*GitRepo Secret:*SecretVolume NFS=nfs:*Nfs ' +
    'ISCSI=iscsi:*Other Glusterfs:*Other PersistentVolumeClaim:*ClaimVolume RBD=rbd:*Other Quobyte:*Other ' +
    'FlexVolume:*Other Cinder:*Other CephFS=cephfs:*Other Flocker:*Other DownwardAPI:*DownwardVolume FC=fc:*Other ' +
    'AzureFile:*Other ConfigMap:*ConfigMapVolume VsphereVolume:*Other AzureDisk:*Other PhotonPersistentDisk:*Other ' +
    'Projected:*Projected PortworxVolume:*Other ScaleIO:*Other StorageOS=storageos:*Other CSI=csi:*CsiVolume ' +
    'Ephemeral:*Other Image:*ImageVolume',
  HostPath: 'Path:string Type:*',
  EmptyDir: 'Medium:string SizeLimit:*',
  GceDisk: 'PDName=pdName:string FSType=fsType:string Partition:int ReadOnly:bool',
  AwsDisk: 'VolumeID:string FSType=fsType:string Partition:int ReadOnly:bool',
  GitRepo: 'Repository:string Revision:string Directory:string',
  SecretVolume: 'SecretName:string Items:[]KeyToPath DefaultMode:* Optional:*',
  ConfigMapVolume: 'Name:string Items:[]KeyToPath DefaultMode:* Optional:*',
  KeyToPath: 'Key:string Path:string Mode:*',
  Nfs: 'Server:string Path:string ReadOnly:bool',
  ClaimVolume: 'ClaimName:string ReadOnly:bool',
  DownwardVolume: 'Items:[]DownwardFile DefaultMode:*',
  DownwardFile: 'Path:string FieldRef:*ObjectFieldSelector ResourceFieldRef:*ResourceFieldSelector Mode:*',
  Projected: 'Sources:[]Projection DefaultMode:*',
  Projection:
    'Secret:*NamedItems DownwardAPI:*DownwardItems ConfigMap:*NamedItems ServiceAccountToken:*TokenProjection ' +
    'ClusterTrustBundle:*TrustBundle PodCertificate:*Other',
  NamedItems: 'Name:string Items:[]KeyToPath Optional:*',
  DownwardItems: 'Items:[]DownwardFile',
  TokenProjection: 'Audience:string ExpirationSeconds:int Path:string',
  TrustBundle: 'Name:* SignerName:* LabelSelector:selector Optional:* Path:string',
  CsiVolume: 'Driver:string ReadOnly:* FSType=fsType:* VolumeAttributes:map NodePublishSecretRef:*LocalObjectReference',
  ImageVolume: 'Reference:string PullPolicy:string',
  DeploymentStrategy: 'Type:string RollingUpdate:*RollingUpdate',
  RollingUpdate: 'MaxUnavailable:any MaxSurge:any',
  DaemonSetUpdateStrategy: 'Type:string RollingUpdate:*RollingUpdate',
  StatefulSetUpdateStrategy: 'Type:string RollingUpdate:*RollingUpdateStatefulSet',
  RollingUpdateStatefulSet: 'Partition:int MaxUnavailable:*',
  SuccessPolicy: 'Rules:[]SuccessPolicyRule',
  SuccessPolicyRule: 'SucceededIndexes:* SucceededCount:*',
  PodFailurePolicy: 'Rules:[]PodFailurePolicyRule',
  PodFailurePolicyRule:
    'Action:string OnExitCodes:*PodFailurePolicyOnExitCodes OnPodConditions:[]PodFailurePolicyOnPodConditions',
  PodFailurePolicyOnExitCodes: 'ContainerName:* Operator:string Values:[]int',
  PodFailurePolicyOnPodConditions: 'Type:string Status:string',
  UncountedTerminatedPods: 'Succeeded:[]string Failed:[]string',
  PersistentVolumeClaimSpec:
    'AccessModes:[]string Selector:selector Resources:VolumeResources VolumeName:string StorageClassName:* VolumeMode:* ' +
    'DataSource:*TypedLocalObjectReference DataSourceRef:*TypedObjectReference VolumeAttributesClassName:*',
  VolumeResources: 'Limits:quantities Requests:quantities',
  TypedLocalObjectReference: 'APIGroup=apiGroup:* Kind:string Name:string',
  TypedObjectReference: 'APIGroup=apiGroup:* Kind:string Name:string Namespace:*',
  PersistentVolumeSource:
    'GCEPersistentDisk=gcePersistentDisk:*GceDisk AWSElasticBlockStore=awsElasticBlockStore:*AwsDisk HostPath:*HostPath ' +
    'Glusterfs:*Other NFS=nfs:*Nfs RBD=rbd:*Other Quobyte:*Other ISCSI=iscsi:*Other FlexVolume:*Other Cinder:*Other ' +
    'CephFS=cephfs:*Other FC=fc:*Other Flocker:*Other AzureFile:*Other VsphereVolume:*Other AzureDisk:*Other ' +
    'PhotonPersistentDisk:*Other PortworxVolume:*Other ScaleIO:*Other Local:*LocalVolume StorageOS=storageos:*Other ' +
    'CSI=csi:*CsiPersistentVolume',
  LocalVolume: 'Path:string FSType=fsType:*',
  CsiPersistentVolume:
    'Driver:string VolumeHandle:string ReadOnly:bool FSType=fsType:string VolumeAttributes:map ' +
    'ControllerPublishSecretRef:*SecretReference NodeStageSecretRef:*SecretReference ' +
    'NodePublishSecretRef:*SecretReference ControllerExpandSecretRef:*SecretReference NodeExpandSecretRef:*SecretReference',
  SecretReference: 'Name:string Namespace:string',
  PodDisruptionBudgetSpec: 'MinAvailable:* Selector:selector MaxUnavailable:* UnhealthyPodEvictionPolicy:*',
  HPABehavior: 'ScaleUp:*HPAScalingRules ScaleDown:*HPAScalingRules',
  HPAScalingRules: 'StabilizationWindowSeconds:* SelectPolicy:* Policies:[]HPAScalingPolicy Tolerance:*',
  HPAScalingPolicy: 'Type:string Value:int PeriodSeconds:int',
  ScopeSelector: 'MatchExpressions:[]ScopeRequirement',
  ScopeRequirement: 'ScopeName:string Operator:string Values:[]string',
  VolumeNodeAffinity: 'Required:*NodeSelector',
  ServiceCIDRSpec: 'CIDRs=cidrs:[]string',
  ParentReference: 'Group:string Resource:string Namespace:string Name:string',
  CSINodeDriver: 'Name:string NodeID:string TopologyKeys:[]string Allocatable:*VolumeNodeResources',
  VolumeNodeResources: 'Count:*',
  VolumeAttachmentSpec: 'Attacher:string Source:VolumeAttachmentSource NodeName:string',
  VolumeAttachmentSource: 'PersistentVolumeName:* InlineVolumeSpec:*Other',
  CertificateCondition: 'Type:string Status:string Reason:string Message:string LastUpdateTime:* LastTransitionTime:*',
  ObjectReference:
    'Kind:string Namespace:string Name:string UID=uid:string APIVersion=apiVersion:string ResourceVersion:string ' +
    'FieldPath:string',
  EventSource: 'Component:string Host:string',
  ResourceClaimSpec: 'Devices:DeviceClaim',
  DeviceClaim: 'Requests:[]DeviceRequest Constraints:[]DeviceConstraint Config:[]DeviceClaimConfiguration',
  DeviceRequest: 'Name:string Exactly:*ExactDeviceRequest FirstAvailable:[]DeviceSubRequest',
  ExactDeviceRequest:
    'DeviceClassName:string Selectors:[]DeviceSelector AllocationMode:string Count:int AdminAccess:* ' +
    'Tolerations:[]DeviceToleration Capacity:*CapacityRequirements',
  DeviceSubRequest:
    'Name:string DeviceClassName:string Selectors:[]DeviceSelector AllocationMode:string Count:int ' +
    'Tolerations:[]DeviceToleration Capacity:*CapacityRequirements',
  DeviceSelector: 'CEL=cel:*CELDeviceSelector',
  CELDeviceSelector: 'Expression:string',
  DeviceToleration: 'Key:string Operator:string Value:string Effect:string TolerationSeconds:*',
  CapacityRequirements: 'Requests:quantities',
  DeviceConstraint: 'Requests:[]string MatchAttribute:* DistinctAttribute:*',
  DeviceClaimConfiguration: 'Requests:[]string Opaque:*OpaqueDeviceConfiguration',
  OpaqueDeviceConfiguration: 'Driver:string Parameters:any',
  AuditAnnotation: 'Key:string ValueExpression:string',
  ServicePort: 'Name:string Protocol:string AppProtocol:* Port:int TargetPort:any NodePort:int'
}

interface Field {
  readonly goName: string
  readonly name: string
  readonly type: string
}

const parsed = new Map<string, readonly Field[]>()

function fieldsOf(struct: string): readonly Field[] | undefined {
  const known = parsed.get(struct)
  if (known !== undefined || STRUCTS[struct] === undefined) return known
  const fields = STRUCTS[struct].split(' ').map((text): Field => {
    const [names = '', type = ''] = text.split(':')
    const [goName = '', name = `${goName.charAt(0).toLowerCase()}${goName.slice(1)}`] = names.split('=')
    return { goName, name, type }
  })
  parsed.set(struct, fields)
  return fields
}

/** `value` as Go would print the internal struct; a type that is not in the table only gets capital letters. */
export function goStruct(struct: string, value: object): Record<string, unknown> {
  const given = value as Readonly<Record<string, unknown>>
  const fields = fieldsOf(struct)
  if (fields === undefined)
    return Object.fromEntries(
      Object.entries(given).map(([key, field]) => [`${key.charAt(0).toUpperCase()}${key.slice(1)}`, field])
    )
  const out: Record<string, unknown> = {}
  for (const { goName, name, type } of fields) out[goName] = goField(type, given[name])
  return out
}

function goField(type: string, value: unknown): unknown {
  switch (type) {
    case 'string':
      return value ?? ''
    case 'int':
      return value ?? 0
    case 'bool':
      return value ?? false
    case '*':
    case 'any':
      return value ?? null
    case 'map':
      return sorted(value as Record<string, string> | undefined)
    case 'quantities':
      return quantities(value as Record<string, Quantity> | undefined)
    case 'selector':
      return value === undefined ? null : printedSelector(value as LabelSelector)
    default:
  }
  if (type.startsWith('[]')) {
    if (!Array.isArray(value) || value.length === 0) return null
    const item = type.slice(2)
    return item === 'string' || item === 'int' ? value : value.map((each) => goStruct(item, each as object))
  }
  if (type.startsWith('*')) return value === undefined ? null : goStruct(type.slice(1), value as object)
  return goStruct(type, (value ?? {}) as object)
}

function quantities(list: Readonly<Record<string, Quantity>> | undefined): Record<string, string> | null {
  const names = sorted(list)
  if (names === null) return null
  return Object.fromEntries(Object.entries(names).map(([name, value]) => [name, canonicalQuantity(value)]))
}

/** A pod's spec; Go keeps the host's namespaces in the security context. */
export function goPodSpec(spec: PodSpec): Record<string, unknown> {
  const { hostNetwork, hostPID, hostIPC, hostUsers, shareProcessNamespace } = spec
  const host = { hostNetwork, hostPID, hostIPC, hostUsers, shareProcessNamespace }
  return goStruct('PodSpec', { ...spec, securityContext: { ...spec.securityContext, ...host } })
}

/** A workload's template: its metadata stands beside the spec. */
export function goPodTemplate({ metadata = {}, spec }: PodTemplateSpec): Record<string, unknown> {
  const { name, labels, annotations, ...rest } = metadata
  return {
    ...(name ? { name } : {}),
    ...rest,
    ...(labels === undefined ? {} : { labels: sorted(labels) }),
    ...(annotations === undefined ? {} : { annotations: sorted(annotations) }),
    Spec: goPodSpec(spec ?? { containers: [] })
  }
}
