// Generated from schemas.json by generate-types.ts. Do not edit.

export interface AuditAnnotation {
  key: string
  valueExpression: string
}

export interface ExpressionWarning {
  fieldRef: string
  warning: string
}

export interface MatchCondition {
  expression: string
  name: string
}

export interface MatchResources {
  excludeResourceRules?: Array<NamedRuleWithOperations> | undefined
  matchPolicy?: string | undefined
  namespaceSelector?: LabelSelector | undefined
  objectSelector?: LabelSelector | undefined
  resourceRules?: Array<NamedRuleWithOperations> | undefined
}

export interface MutatingWebhook {
  admissionReviewVersions: Array<string>
  clientConfig: AdmissionregistrationWebhookClientConfig
  failurePolicy?: string | undefined
  matchConditions?: Array<MatchCondition> | undefined
  matchPolicy?: string | undefined
  name: string
  namespaceSelector?: LabelSelector | undefined
  objectSelector?: LabelSelector | undefined
  reinvocationPolicy?: string | undefined
  rules?: Array<RuleWithOperations> | undefined
  sideEffects: string
  timeoutSeconds?: number | undefined
}

export interface MutatingWebhookConfiguration {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  webhooks?: Array<MutatingWebhook> | undefined
}

export interface MutatingWebhookConfigurationList {
  apiVersion?: string | undefined
  items: Array<MutatingWebhookConfiguration>
  kind?: string | undefined
  metadata: ListMeta
}

export interface NamedRuleWithOperations {
  apiGroups?: Array<string> | undefined
  apiVersions?: Array<string> | undefined
  operations?: Array<string> | undefined
  resourceNames?: Array<string> | undefined
  resources?: Array<string> | undefined
  scope?: string | undefined
}

export interface ParamKind {
  apiVersion?: string | undefined
  kind?: string | undefined
}

export interface ParamRef {
  name?: string | undefined
  namespace?: string | undefined
  parameterNotFoundAction?: string | undefined
  selector?: LabelSelector | undefined
}

export interface RuleWithOperations {
  apiGroups?: Array<string> | undefined
  apiVersions?: Array<string> | undefined
  operations?: Array<string> | undefined
  resources?: Array<string> | undefined
  scope?: string | undefined
}

export interface AdmissionregistrationServiceReference {
  name: string
  namespace: string
  path?: string | undefined
  port?: number | undefined
}

export interface TypeChecking {
  expressionWarnings?: Array<ExpressionWarning> | undefined
}

export interface ValidatingAdmissionPolicy {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ValidatingAdmissionPolicySpec | undefined
  status?: ValidatingAdmissionPolicyStatus | undefined
}

export interface ValidatingAdmissionPolicyBinding {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ValidatingAdmissionPolicyBindingSpec | undefined
}

export interface ValidatingAdmissionPolicyBindingList {
  apiVersion?: string | undefined
  items: Array<ValidatingAdmissionPolicyBinding>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ValidatingAdmissionPolicyBindingSpec {
  matchResources?: MatchResources | undefined
  paramRef?: ParamRef | undefined
  policyName?: string | undefined
  validationActions?: Array<string> | undefined
}

export interface ValidatingAdmissionPolicyList {
  apiVersion?: string | undefined
  items: Array<ValidatingAdmissionPolicy>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ValidatingAdmissionPolicySpec {
  auditAnnotations?: Array<AuditAnnotation> | undefined
  failurePolicy?: string | undefined
  matchConditions?: Array<MatchCondition> | undefined
  matchConstraints?: MatchResources | undefined
  paramKind?: ParamKind | undefined
  validations?: Array<Validation> | undefined
  variables?: Array<Variable> | undefined
}

export interface ValidatingAdmissionPolicyStatus {
  conditions?: Array<Condition> | undefined
  observedGeneration?: number | undefined
  typeChecking?: TypeChecking | undefined
}

export interface ValidatingWebhook {
  admissionReviewVersions: Array<string>
  clientConfig: AdmissionregistrationWebhookClientConfig
  failurePolicy?: string | undefined
  matchConditions?: Array<MatchCondition> | undefined
  matchPolicy?: string | undefined
  name: string
  namespaceSelector?: LabelSelector | undefined
  objectSelector?: LabelSelector | undefined
  rules?: Array<RuleWithOperations> | undefined
  sideEffects: string
  timeoutSeconds?: number | undefined
}

export interface ValidatingWebhookConfiguration {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  webhooks?: Array<ValidatingWebhook> | undefined
}

export interface ValidatingWebhookConfigurationList {
  apiVersion?: string | undefined
  items: Array<ValidatingWebhookConfiguration>
  kind?: string | undefined
  metadata: ListMeta
}

export interface Validation {
  expression: string
  message?: string | undefined
  messageExpression?: string | undefined
  reason?: string | undefined
}

export interface Variable {
  expression: string
  name: string
}

export interface AdmissionregistrationWebhookClientConfig {
  caBundle?: string | undefined
  service?: AdmissionregistrationServiceReference | undefined
  url?: string | undefined
}

export interface ControllerRevision {
  apiVersion?: string | undefined
  data?: RawExtension | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  revision: number
}

export interface ControllerRevisionList {
  apiVersion?: string | undefined
  items: Array<ControllerRevision>
  kind?: string | undefined
  metadata: ListMeta
}

export interface DaemonSet {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: DaemonSetSpec | undefined
  status?: DaemonSetStatus | undefined
}

export interface DaemonSetCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface DaemonSetList {
  apiVersion?: string | undefined
  items: Array<DaemonSet>
  kind?: string | undefined
  metadata: ListMeta
}

export interface DaemonSetSpec {
  minReadySeconds?: number | undefined
  revisionHistoryLimit?: number | undefined
  selector: LabelSelector
  template: PodTemplateSpec
  updateStrategy?: DaemonSetUpdateStrategy | undefined
}

export interface DaemonSetStatus {
  collisionCount?: number | undefined
  conditions?: Array<DaemonSetCondition> | undefined
  currentNumberScheduled: number
  desiredNumberScheduled: number
  numberAvailable?: number | undefined
  numberMisscheduled: number
  numberReady: number
  numberUnavailable?: number | undefined
  observedGeneration?: number | undefined
  updatedNumberScheduled?: number | undefined
}

export interface DaemonSetUpdateStrategy {
  rollingUpdate?: RollingUpdateDaemonSet | undefined
  type?: string | undefined
}

export interface Deployment {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: DeploymentSpec | undefined
  status?: DeploymentStatus | undefined
}

export interface DeploymentCondition {
  lastTransitionTime?: Time | undefined
  lastUpdateTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface DeploymentList {
  apiVersion?: string | undefined
  items: Array<Deployment>
  kind?: string | undefined
  metadata: ListMeta
}

export interface DeploymentSpec {
  minReadySeconds?: number | undefined
  paused?: boolean | undefined
  progressDeadlineSeconds?: number | undefined
  replicas?: number | undefined
  revisionHistoryLimit?: number | undefined
  selector: LabelSelector
  strategy?: DeploymentStrategy | undefined
  template: PodTemplateSpec
}

export interface DeploymentStatus {
  availableReplicas?: number | undefined
  collisionCount?: number | undefined
  conditions?: Array<DeploymentCondition> | undefined
  observedGeneration?: number | undefined
  readyReplicas?: number | undefined
  replicas?: number | undefined
  terminatingReplicas?: number | undefined
  unavailableReplicas?: number | undefined
  updatedReplicas?: number | undefined
}

export interface DeploymentStrategy {
  rollingUpdate?: RollingUpdateDeployment | undefined
  type?: string | undefined
}

export interface ReplicaSet {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ReplicaSetSpec | undefined
  status?: ReplicaSetStatus | undefined
}

export interface ReplicaSetCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface ReplicaSetList {
  apiVersion?: string | undefined
  items: Array<ReplicaSet>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ReplicaSetSpec {
  minReadySeconds?: number | undefined
  replicas?: number | undefined
  selector: LabelSelector
  template?: PodTemplateSpec | undefined
}

export interface ReplicaSetStatus {
  availableReplicas?: number | undefined
  conditions?: Array<ReplicaSetCondition> | undefined
  fullyLabeledReplicas?: number | undefined
  observedGeneration?: number | undefined
  readyReplicas?: number | undefined
  replicas: number
  terminatingReplicas?: number | undefined
}

export interface RollingUpdateDaemonSet {
  maxSurge?: IntOrString | undefined
  maxUnavailable?: IntOrString | undefined
}

export interface RollingUpdateDeployment {
  maxSurge?: IntOrString | undefined
  maxUnavailable?: IntOrString | undefined
}

export interface RollingUpdateStatefulSetStrategy {
  maxUnavailable?: IntOrString | undefined
  partition?: number | undefined
}

export interface StatefulSet {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: StatefulSetSpec | undefined
  status?: StatefulSetStatus | undefined
}

export interface StatefulSetCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface StatefulSetList {
  apiVersion?: string | undefined
  items: Array<StatefulSet>
  kind?: string | undefined
  metadata: ListMeta
}

export interface StatefulSetOrdinals {
  start?: number | undefined
}

export interface StatefulSetPersistentVolumeClaimRetentionPolicy {
  whenDeleted?: string | undefined
  whenScaled?: string | undefined
}

export interface StatefulSetSpec {
  minReadySeconds?: number | undefined
  ordinals?: StatefulSetOrdinals | undefined
  persistentVolumeClaimRetentionPolicy?: StatefulSetPersistentVolumeClaimRetentionPolicy | undefined
  podManagementPolicy?: string | undefined
  replicas?: number | undefined
  revisionHistoryLimit?: number | undefined
  selector: LabelSelector
  serviceName?: string | undefined
  template: PodTemplateSpec
  updateStrategy?: StatefulSetUpdateStrategy | undefined
  volumeClaimTemplates?: Array<PersistentVolumeClaim> | undefined
}

export interface StatefulSetStatus {
  availableReplicas?: number | undefined
  collisionCount?: number | undefined
  conditions?: Array<StatefulSetCondition> | undefined
  currentReplicas?: number | undefined
  currentRevision?: string | undefined
  observedGeneration?: number | undefined
  readyReplicas?: number | undefined
  replicas: number
  updateRevision?: string | undefined
  updatedReplicas?: number | undefined
}

export interface StatefulSetUpdateStrategy {
  rollingUpdate?: RollingUpdateStatefulSetStrategy | undefined
  type?: string | undefined
}

export interface BoundObjectReference {
  apiVersion?: string | undefined
  kind?: string | undefined
  name?: string | undefined
  uid?: string | undefined
}

export interface SelfSubjectReview {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  status?: SelfSubjectReviewStatus | undefined
}

export interface SelfSubjectReviewStatus {
  userInfo?: UserInfo | undefined
}

export interface AuthenticationTokenRequest {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: TokenRequestSpec
  status?: TokenRequestStatus | undefined
}

export interface TokenRequestSpec {
  audiences: Array<string>
  boundObjectRef?: BoundObjectReference | undefined
  expirationSeconds?: number | undefined
}

export interface TokenRequestStatus {
  expirationTimestamp: Time
  token: string
}

export interface TokenReview {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: TokenReviewSpec
  status?: TokenReviewStatus | undefined
}

export interface TokenReviewSpec {
  audiences?: Array<string> | undefined
  token?: string | undefined
}

export interface TokenReviewStatus {
  audiences?: Array<string> | undefined
  authenticated?: boolean | undefined
  error?: string | undefined
  user?: UserInfo | undefined
}

export interface UserInfo {
  extra?: Record<string, Array<string>> | undefined
  groups?: Array<string> | undefined
  uid?: string | undefined
  username?: string | undefined
}

export interface FieldSelectorAttributes {
  rawSelector?: string | undefined
  requirements?: Array<FieldSelectorRequirement> | undefined
}

export interface LabelSelectorAttributes {
  rawSelector?: string | undefined
  requirements?: Array<LabelSelectorRequirement> | undefined
}

export interface LocalSubjectAccessReview {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: SubjectAccessReviewSpec
  status?: SubjectAccessReviewStatus | undefined
}

export interface NonResourceAttributes {
  path?: string | undefined
  verb?: string | undefined
}

export interface NonResourceRule {
  nonResourceURLs?: Array<string> | undefined
  verbs: Array<string>
}

export interface ResourceAttributes {
  fieldSelector?: FieldSelectorAttributes | undefined
  group?: string | undefined
  labelSelector?: LabelSelectorAttributes | undefined
  name?: string | undefined
  namespace?: string | undefined
  resource?: string | undefined
  subresource?: string | undefined
  verb?: string | undefined
  version?: string | undefined
}

export interface ResourceRule {
  apiGroups?: Array<string> | undefined
  resourceNames?: Array<string> | undefined
  resources?: Array<string> | undefined
  verbs: Array<string>
}

export interface SelfSubjectAccessReview {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: SelfSubjectAccessReviewSpec
  status?: SubjectAccessReviewStatus | undefined
}

export interface SelfSubjectAccessReviewSpec {
  nonResourceAttributes?: NonResourceAttributes | undefined
  resourceAttributes?: ResourceAttributes | undefined
}

export interface SelfSubjectRulesReview {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: SelfSubjectRulesReviewSpec
  status?: SubjectRulesReviewStatus | undefined
}

export interface SelfSubjectRulesReviewSpec {
  namespace?: string | undefined
}

export interface SubjectAccessReview {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: SubjectAccessReviewSpec
  status?: SubjectAccessReviewStatus | undefined
}

export interface SubjectAccessReviewSpec {
  extra?: Record<string, Array<string>> | undefined
  groups?: Array<string> | undefined
  nonResourceAttributes?: NonResourceAttributes | undefined
  resourceAttributes?: ResourceAttributes | undefined
  uid?: string | undefined
  user?: string | undefined
}

export interface SubjectAccessReviewStatus {
  allowed: boolean
  denied?: boolean | undefined
  evaluationError?: string | undefined
  reason?: string | undefined
}

export interface SubjectRulesReviewStatus {
  evaluationError?: string | undefined
  incomplete: boolean
  nonResourceRules: Array<NonResourceRule>
  resourceRules: Array<ResourceRule>
}

export interface AutoscalingV1CrossVersionObjectReference {
  apiVersion?: string | undefined
  kind: string
  name: string
}

export interface AutoscalingV1HorizontalPodAutoscaler {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: AutoscalingV1HorizontalPodAutoscalerSpec | undefined
  status?: AutoscalingV1HorizontalPodAutoscalerStatus | undefined
}

export interface AutoscalingV1HorizontalPodAutoscalerList {
  apiVersion?: string | undefined
  items: Array<AutoscalingV1HorizontalPodAutoscaler>
  kind?: string | undefined
  metadata: ListMeta
}

export interface AutoscalingV1HorizontalPodAutoscalerSpec {
  maxReplicas: number
  minReplicas?: number | undefined
  scaleTargetRef: AutoscalingV1CrossVersionObjectReference
  targetCPUUtilizationPercentage?: number | undefined
}

export interface AutoscalingV1HorizontalPodAutoscalerStatus {
  currentCPUUtilizationPercentage?: number | undefined
  currentReplicas: number
  desiredReplicas: number
  lastScaleTime?: Time | undefined
  observedGeneration?: number | undefined
}

export interface Scale {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ScaleSpec | undefined
  status?: ScaleStatus | undefined
}

export interface ScaleSpec {
  replicas?: number | undefined
}

export interface ScaleStatus {
  replicas: number
  selector?: string | undefined
}

export interface ContainerResourceMetricSource {
  container: string
  name: string
  target: MetricTarget
}

export interface ContainerResourceMetricStatus {
  container: string
  current: MetricValueStatus
  name: string
}

export interface AutoscalingV2CrossVersionObjectReference {
  apiVersion?: string | undefined
  kind: string
  name: string
}

export interface ExternalMetricSource {
  metric: MetricIdentifier
  target: MetricTarget
}

export interface ExternalMetricStatus {
  current: MetricValueStatus
  metric: MetricIdentifier
}

export interface HPAScalingPolicy {
  periodSeconds: number
  type: string
  value: number
}

export interface HPAScalingRules {
  policies?: Array<HPAScalingPolicy> | undefined
  selectPolicy?: string | undefined
  stabilizationWindowSeconds?: number | undefined
  tolerance?: Quantity | undefined
}

export interface AutoscalingV2HorizontalPodAutoscaler {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: AutoscalingV2HorizontalPodAutoscalerSpec | undefined
  status?: AutoscalingV2HorizontalPodAutoscalerStatus | undefined
}

export interface HorizontalPodAutoscalerBehavior {
  scaleDown?: HPAScalingRules | undefined
  scaleUp?: HPAScalingRules | undefined
}

export interface HorizontalPodAutoscalerCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface AutoscalingV2HorizontalPodAutoscalerList {
  apiVersion?: string | undefined
  items: Array<AutoscalingV2HorizontalPodAutoscaler>
  kind?: string | undefined
  metadata: ListMeta
}

export interface AutoscalingV2HorizontalPodAutoscalerSpec {
  behavior?: HorizontalPodAutoscalerBehavior | undefined
  maxReplicas: number
  metrics?: Array<MetricSpec> | undefined
  minReplicas?: number | undefined
  scaleTargetRef: AutoscalingV2CrossVersionObjectReference
}

export interface AutoscalingV2HorizontalPodAutoscalerStatus {
  conditions?: Array<HorizontalPodAutoscalerCondition> | undefined
  currentMetrics?: Array<MetricStatus> | undefined
  currentReplicas?: number | undefined
  desiredReplicas: number
  lastScaleTime?: Time | undefined
  observedGeneration?: number | undefined
}

export interface MetricIdentifier {
  name: string
  selector?: LabelSelector | undefined
}

export interface MetricSpec {
  containerResource?: ContainerResourceMetricSource | undefined
  external?: ExternalMetricSource | undefined
  object?: ObjectMetricSource | undefined
  pods?: PodsMetricSource | undefined
  resource?: ResourceMetricSource | undefined
  type: string
}

export interface MetricStatus {
  containerResource?: ContainerResourceMetricStatus | undefined
  external?: ExternalMetricStatus | undefined
  object?: ObjectMetricStatus | undefined
  pods?: PodsMetricStatus | undefined
  resource?: ResourceMetricStatus | undefined
  type: string
}

export interface MetricTarget {
  averageUtilization?: number | undefined
  averageValue?: Quantity | undefined
  type: string
  value?: Quantity | undefined
}

export interface MetricValueStatus {
  averageUtilization?: number | undefined
  averageValue?: Quantity | undefined
  value?: Quantity | undefined
}

export interface ObjectMetricSource {
  describedObject: AutoscalingV2CrossVersionObjectReference
  metric: MetricIdentifier
  target: MetricTarget
}

export interface ObjectMetricStatus {
  current: MetricValueStatus
  describedObject: AutoscalingV2CrossVersionObjectReference
  metric: MetricIdentifier
}

export interface PodsMetricSource {
  metric: MetricIdentifier
  target: MetricTarget
}

export interface PodsMetricStatus {
  current: MetricValueStatus
  metric: MetricIdentifier
}

export interface ResourceMetricSource {
  name: string
  target: MetricTarget
}

export interface ResourceMetricStatus {
  current: MetricValueStatus
  name: string
}

export interface CronJob {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: CronJobSpec | undefined
  status?: CronJobStatus | undefined
}

export interface CronJobList {
  apiVersion?: string | undefined
  items: Array<CronJob>
  kind?: string | undefined
  metadata: ListMeta
}

export interface CronJobSpec {
  concurrencyPolicy?: string | undefined
  failedJobsHistoryLimit?: number | undefined
  jobTemplate: JobTemplateSpec
  schedule: string
  startingDeadlineSeconds?: number | undefined
  successfulJobsHistoryLimit?: number | undefined
  suspend?: boolean | undefined
  timeZone?: string | undefined
}

export interface CronJobStatus {
  active?: Array<ObjectReference> | undefined
  lastScheduleTime?: Time | undefined
  lastSuccessfulTime?: Time | undefined
}

export interface Job {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: JobSpec | undefined
  status?: JobStatus | undefined
}

export interface JobCondition {
  lastProbeTime?: Time | undefined
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface JobList {
  apiVersion?: string | undefined
  items: Array<Job>
  kind?: string | undefined
  metadata: ListMeta
}

export interface JobSpec {
  activeDeadlineSeconds?: number | undefined
  backoffLimit?: number | undefined
  backoffLimitPerIndex?: number | undefined
  completionMode?: string | undefined
  completions?: number | undefined
  managedBy?: string | undefined
  manualSelector?: boolean | undefined
  maxFailedIndexes?: number | undefined
  parallelism?: number | undefined
  podFailurePolicy?: PodFailurePolicy | undefined
  podReplacementPolicy?: string | undefined
  selector?: LabelSelector | undefined
  successPolicy?: SuccessPolicy | undefined
  suspend?: boolean | undefined
  template: PodTemplateSpec
  ttlSecondsAfterFinished?: number | undefined
}

export interface JobStatus {
  active?: number | undefined
  completedIndexes?: string | undefined
  completionTime?: Time | undefined
  conditions?: Array<JobCondition> | undefined
  failed?: number | undefined
  failedIndexes?: string | undefined
  ready?: number | undefined
  startTime?: Time | undefined
  succeeded?: number | undefined
  terminating?: number | undefined
  uncountedTerminatedPods?: UncountedTerminatedPods | undefined
}

export interface JobTemplateSpec {
  metadata?: ObjectMeta | undefined
  spec?: JobSpec | undefined
}

export interface PodFailurePolicy {
  rules: Array<PodFailurePolicyRule>
}

export interface PodFailurePolicyOnExitCodesRequirement {
  containerName?: string | undefined
  operator: string
  values: Array<number>
}

export interface PodFailurePolicyOnPodConditionsPattern {
  status?: string | undefined
  type: string
}

export interface PodFailurePolicyRule {
  action: string
  onExitCodes?: PodFailurePolicyOnExitCodesRequirement | undefined
  onPodConditions?: Array<PodFailurePolicyOnPodConditionsPattern> | undefined
}

export interface SuccessPolicy {
  rules: Array<SuccessPolicyRule>
}

export interface SuccessPolicyRule {
  succeededCount?: number | undefined
  succeededIndexes?: string | undefined
}

export interface UncountedTerminatedPods {
  failed?: Array<string> | undefined
  succeeded?: Array<string> | undefined
}

export interface CertificateSigningRequest {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: CertificateSigningRequestSpec
  status?: CertificateSigningRequestStatus | undefined
}

export interface CertificateSigningRequestCondition {
  lastTransitionTime?: Time | undefined
  lastUpdateTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface CertificateSigningRequestList {
  apiVersion?: string | undefined
  items: Array<CertificateSigningRequest>
  kind?: string | undefined
  metadata: ListMeta
}

export interface CertificateSigningRequestSpec {
  expirationSeconds?: number | undefined
  extra?: Record<string, Array<string>> | undefined
  groups?: Array<string> | undefined
  request: string
  signerName: string
  uid?: string | undefined
  usages?: Array<string> | undefined
  username?: string | undefined
}

export interface CertificateSigningRequestStatus {
  certificate?: string | undefined
  conditions?: Array<CertificateSigningRequestCondition> | undefined
}

export interface Lease {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: LeaseSpec | undefined
}

export interface LeaseList {
  apiVersion?: string | undefined
  items: Array<Lease>
  kind?: string | undefined
  metadata: ListMeta
}

export interface LeaseSpec {
  acquireTime?: MicroTime | undefined
  holderIdentity?: string | undefined
  leaseDurationSeconds?: number | undefined
  leaseTransitions?: number | undefined
  preferredHolder?: string | undefined
  renewTime?: MicroTime | undefined
  strategy?: string | undefined
}

export interface AWSElasticBlockStoreVolumeSource {
  fsType?: string | undefined
  partition?: number | undefined
  readOnly?: boolean | undefined
  volumeID: string
}

export interface Affinity {
  nodeAffinity?: NodeAffinity | undefined
  podAffinity?: PodAffinity | undefined
  podAntiAffinity?: PodAntiAffinity | undefined
}

export interface AppArmorProfile {
  localhostProfile?: string | undefined
  type: string
}

export interface AttachedVolume {
  devicePath: string
  name: string
}

export interface AzureDiskVolumeSource {
  cachingMode?: string | undefined
  diskName: string
  diskURI: string
  fsType?: string | undefined
  kind?: string | undefined
  readOnly?: boolean | undefined
}

export interface AzureFilePersistentVolumeSource {
  readOnly?: boolean | undefined
  secretName: string
  secretNamespace?: string | undefined
  shareName: string
}

export interface AzureFileVolumeSource {
  readOnly?: boolean | undefined
  secretName: string
  shareName: string
}

export interface Binding {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  target: ObjectReference
}

export interface CSIPersistentVolumeSource {
  controllerExpandSecretRef?: SecretReference | undefined
  controllerPublishSecretRef?: SecretReference | undefined
  driver: string
  fsType?: string | undefined
  nodeExpandSecretRef?: SecretReference | undefined
  nodePublishSecretRef?: SecretReference | undefined
  nodeStageSecretRef?: SecretReference | undefined
  readOnly?: boolean | undefined
  volumeAttributes?: Record<string, string> | undefined
  volumeHandle: string
}

export interface CSIVolumeSource {
  driver: string
  fsType?: string | undefined
  nodePublishSecretRef?: LocalObjectReference | undefined
  readOnly?: boolean | undefined
  volumeAttributes?: Record<string, string> | undefined
}

export interface Capabilities {
  add?: Array<string> | undefined
  drop?: Array<string> | undefined
}

export interface CephFSPersistentVolumeSource {
  monitors: Array<string>
  path?: string | undefined
  readOnly?: boolean | undefined
  secretFile?: string | undefined
  secretRef?: SecretReference | undefined
  user?: string | undefined
}

export interface CephFSVolumeSource {
  monitors: Array<string>
  path?: string | undefined
  readOnly?: boolean | undefined
  secretFile?: string | undefined
  secretRef?: LocalObjectReference | undefined
  user?: string | undefined
}

export interface CinderPersistentVolumeSource {
  fsType?: string | undefined
  readOnly?: boolean | undefined
  secretRef?: SecretReference | undefined
  volumeID: string
}

export interface CinderVolumeSource {
  fsType?: string | undefined
  readOnly?: boolean | undefined
  secretRef?: LocalObjectReference | undefined
  volumeID: string
}

export interface ClientIPConfig {
  timeoutSeconds?: number | undefined
}

export interface ClusterTrustBundleProjection {
  labelSelector?: LabelSelector | undefined
  name?: string | undefined
  optional?: boolean | undefined
  path: string
  signerName?: string | undefined
}

export interface ComponentCondition {
  error?: string | undefined
  message?: string | undefined
  status: string
  type: string
}

export interface ComponentStatus {
  apiVersion?: string | undefined
  conditions?: Array<ComponentCondition> | undefined
  kind?: string | undefined
  metadata: ObjectMeta
}

export interface ComponentStatusList {
  apiVersion?: string | undefined
  items: Array<ComponentStatus>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ConfigMap {
  apiVersion?: string | undefined
  binaryData?: Record<string, string> | undefined
  data?: Record<string, string> | undefined
  immutable?: boolean | undefined
  kind?: string | undefined
  metadata: ObjectMeta
}

export interface ConfigMapEnvSource {
  name?: string | undefined
  optional?: boolean | undefined
}

export interface ConfigMapKeySelector {
  key: string
  name?: string | undefined
  optional?: boolean | undefined
}

export interface ConfigMapList {
  apiVersion?: string | undefined
  items: Array<ConfigMap>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ConfigMapNodeConfigSource {
  kubeletConfigKey: string
  name: string
  namespace: string
  resourceVersion?: string | undefined
  uid?: string | undefined
}

export interface ConfigMapProjection {
  items?: Array<KeyToPath> | undefined
  name?: string | undefined
  optional?: boolean | undefined
}

export interface ConfigMapVolumeSource {
  defaultMode?: number | undefined
  items?: Array<KeyToPath> | undefined
  name?: string | undefined
  optional?: boolean | undefined
}

export interface Container {
  args?: Array<string> | undefined
  command?: Array<string> | undefined
  env?: Array<EnvVar> | undefined
  envFrom?: Array<EnvFromSource> | undefined
  image?: string | undefined
  imagePullPolicy?: string | undefined
  lifecycle?: Lifecycle | undefined
  livenessProbe?: Probe | undefined
  name: string
  ports?: Array<ContainerPort> | undefined
  readinessProbe?: Probe | undefined
  resizePolicy?: Array<ContainerResizePolicy> | undefined
  resources?: ResourceRequirements | undefined
  restartPolicy?: string | undefined
  restartPolicyRules?: Array<ContainerRestartRule> | undefined
  securityContext?: SecurityContext | undefined
  startupProbe?: Probe | undefined
  stdin?: boolean | undefined
  stdinOnce?: boolean | undefined
  terminationMessagePath?: string | undefined
  terminationMessagePolicy?: string | undefined
  tty?: boolean | undefined
  volumeDevices?: Array<VolumeDevice> | undefined
  volumeMounts?: Array<VolumeMount> | undefined
  workingDir?: string | undefined
}

export interface ContainerExtendedResourceRequest {
  containerName: string
  requestName: string
  resourceName: string
}

export interface ContainerImage {
  names?: Array<string> | undefined
  sizeBytes?: number | undefined
}

export interface ContainerPort {
  containerPort: number
  hostIP?: string | undefined
  hostPort?: number | undefined
  name?: string | undefined
  protocol?: string | undefined
}

export interface ContainerResizePolicy {
  resourceName: string
  restartPolicy: string
}

export interface ContainerRestartRule {
  action: string
  exitCodes?: ContainerRestartRuleOnExitCodes | undefined
}

export interface ContainerRestartRuleOnExitCodes {
  operator: string
  values?: Array<number> | undefined
}

export interface ContainerState {
  running?: ContainerStateRunning | undefined
  terminated?: ContainerStateTerminated | undefined
  waiting?: ContainerStateWaiting | undefined
}

export interface ContainerStateRunning {
  startedAt?: Time | undefined
}

export interface ContainerStateTerminated {
  containerID?: string | undefined
  exitCode: number
  finishedAt?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  signal?: number | undefined
  startedAt?: Time | undefined
}

export interface ContainerStateWaiting {
  message?: string | undefined
  reason?: string | undefined
}

export interface ContainerStatus {
  allocatedResources?: Record<string, Quantity> | undefined
  allocatedResourcesStatus?: Array<ResourceStatus> | undefined
  containerID?: string | undefined
  image: string
  imageID: string
  lastState?: ContainerState | undefined
  name: string
  ready: boolean
  resources?: ResourceRequirements | undefined
  restartCount: number
  started?: boolean | undefined
  state?: ContainerState | undefined
  stopSignal?: string | undefined
  user?: ContainerUser | undefined
  volumeMounts?: Array<VolumeMountStatus> | undefined
}

export interface ContainerUser {
  linux?: LinuxContainerUser | undefined
}

export interface DaemonEndpoint {
  Port: number
}

export interface DownwardAPIProjection {
  items?: Array<DownwardAPIVolumeFile> | undefined
}

export interface DownwardAPIVolumeFile {
  fieldRef?: ObjectFieldSelector | undefined
  mode?: number | undefined
  path: string
  resourceFieldRef?: ResourceFieldSelector | undefined
}

export interface DownwardAPIVolumeSource {
  defaultMode?: number | undefined
  items?: Array<DownwardAPIVolumeFile> | undefined
}

export interface EmptyDirVolumeSource {
  medium?: string | undefined
  sizeLimit?: Quantity | undefined
}

export interface EndpointAddress {
  hostname?: string | undefined
  ip: string
  nodeName?: string | undefined
  targetRef?: ObjectReference | undefined
}

export interface EndpointPort {
  appProtocol?: string | undefined
  name?: string | undefined
  port: number
  protocol?: string | undefined
}

export interface EndpointSubset {
  addresses?: Array<EndpointAddress> | undefined
  notReadyAddresses?: Array<EndpointAddress> | undefined
  ports?: Array<EndpointPort> | undefined
}

export interface Endpoints {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  subsets?: Array<EndpointSubset> | undefined
}

export interface EndpointsList {
  apiVersion?: string | undefined
  items: Array<Endpoints>
  kind?: string | undefined
  metadata: ListMeta
}

export interface EnvFromSource {
  configMapRef?: ConfigMapEnvSource | undefined
  prefix?: string | undefined
  secretRef?: SecretEnvSource | undefined
}

export interface EnvVar {
  name: string
  value?: string | undefined
  valueFrom?: EnvVarSource | undefined
}

export interface EnvVarSource {
  configMapKeyRef?: ConfigMapKeySelector | undefined
  fieldRef?: ObjectFieldSelector | undefined
  fileKeyRef?: FileKeySelector | undefined
  resourceFieldRef?: ResourceFieldSelector | undefined
  secretKeyRef?: SecretKeySelector | undefined
}

export interface EphemeralContainer {
  args?: Array<string> | undefined
  command?: Array<string> | undefined
  env?: Array<EnvVar> | undefined
  envFrom?: Array<EnvFromSource> | undefined
  image?: string | undefined
  imagePullPolicy?: string | undefined
  lifecycle?: Lifecycle | undefined
  livenessProbe?: Probe | undefined
  name: string
  ports?: Array<ContainerPort> | undefined
  readinessProbe?: Probe | undefined
  resizePolicy?: Array<ContainerResizePolicy> | undefined
  resources?: ResourceRequirements | undefined
  restartPolicy?: string | undefined
  restartPolicyRules?: Array<ContainerRestartRule> | undefined
  securityContext?: SecurityContext | undefined
  startupProbe?: Probe | undefined
  stdin?: boolean | undefined
  stdinOnce?: boolean | undefined
  targetContainerName?: string | undefined
  terminationMessagePath?: string | undefined
  terminationMessagePolicy?: string | undefined
  tty?: boolean | undefined
  volumeDevices?: Array<VolumeDevice> | undefined
  volumeMounts?: Array<VolumeMount> | undefined
  workingDir?: string | undefined
}

export interface EphemeralVolumeSource {
  volumeClaimTemplate?: PersistentVolumeClaimTemplate | undefined
}

export interface Event {
  action?: string | undefined
  apiVersion?: string | undefined
  count?: number | undefined
  eventTime?: MicroTime | undefined
  firstTimestamp?: Time | undefined
  involvedObject: ObjectReference
  kind?: string | undefined
  lastTimestamp?: Time | undefined
  message?: string | undefined
  metadata: ObjectMeta
  reason?: string | undefined
  related?: ObjectReference | undefined
  reportingComponent?: string | undefined
  reportingInstance?: string | undefined
  series?: EventSeries | undefined
  source?: EventSource | undefined
  type?: string | undefined
}

export interface EventList {
  apiVersion?: string | undefined
  items: Array<Event>
  kind?: string | undefined
  metadata: ListMeta
}

export interface EventSeries {
  count?: number | undefined
  lastObservedTime?: MicroTime | undefined
}

export interface EventSource {
  component?: string | undefined
  host?: string | undefined
}

export interface ExecAction {
  command?: Array<string> | undefined
}

export interface FCVolumeSource {
  fsType?: string | undefined
  lun?: number | undefined
  readOnly?: boolean | undefined
  targetWWNs?: Array<string> | undefined
  wwids?: Array<string> | undefined
}

export interface FileKeySelector {
  key: string
  optional?: boolean | undefined
  path: string
  volumeName: string
}

export interface FlexPersistentVolumeSource {
  driver: string
  fsType?: string | undefined
  options?: Record<string, string> | undefined
  readOnly?: boolean | undefined
  secretRef?: SecretReference | undefined
}

export interface FlexVolumeSource {
  driver: string
  fsType?: string | undefined
  options?: Record<string, string> | undefined
  readOnly?: boolean | undefined
  secretRef?: LocalObjectReference | undefined
}

export interface FlockerVolumeSource {
  datasetName?: string | undefined
  datasetUUID?: string | undefined
}

export interface GCEPersistentDiskVolumeSource {
  fsType?: string | undefined
  partition?: number | undefined
  pdName: string
  readOnly?: boolean | undefined
}

export interface GRPCAction {
  port: number
  service?: string | undefined
}

export interface GitRepoVolumeSource {
  directory?: string | undefined
  repository: string
  revision?: string | undefined
}

export interface GlusterfsPersistentVolumeSource {
  endpoints: string
  endpointsNamespace?: string | undefined
  path: string
  readOnly?: boolean | undefined
}

export interface GlusterfsVolumeSource {
  endpoints: string
  path: string
  readOnly?: boolean | undefined
}

export interface HTTPGetAction {
  host?: string | undefined
  httpHeaders?: Array<HTTPHeader> | undefined
  path?: string | undefined
  port: IntOrString
  scheme?: string | undefined
}

export interface HTTPHeader {
  name: string
  value: string
}

export interface HostAlias {
  hostnames?: Array<string> | undefined
  ip: string
}

export interface HostIP {
  ip: string
}

export interface HostPathVolumeSource {
  path: string
  type?: string | undefined
}

export interface ISCSIPersistentVolumeSource {
  chapAuthDiscovery?: boolean | undefined
  chapAuthSession?: boolean | undefined
  fsType?: string | undefined
  initiatorName?: string | undefined
  iqn: string
  iscsiInterface?: string | undefined
  lun: number
  portals?: Array<string> | undefined
  readOnly?: boolean | undefined
  secretRef?: SecretReference | undefined
  targetPortal: string
}

export interface ISCSIVolumeSource {
  chapAuthDiscovery?: boolean | undefined
  chapAuthSession?: boolean | undefined
  fsType?: string | undefined
  initiatorName?: string | undefined
  iqn: string
  iscsiInterface?: string | undefined
  lun: number
  portals?: Array<string> | undefined
  readOnly?: boolean | undefined
  secretRef?: LocalObjectReference | undefined
  targetPortal: string
}

export interface ImageVolumeSource {
  pullPolicy?: string | undefined
  reference?: string | undefined
}

export interface KeyToPath {
  key: string
  mode?: number | undefined
  path: string
}

export interface Lifecycle {
  postStart?: LifecycleHandler | undefined
  preStop?: LifecycleHandler | undefined
  stopSignal?: string | undefined
}

export interface LifecycleHandler {
  exec?: ExecAction | undefined
  httpGet?: HTTPGetAction | undefined
  sleep?: SleepAction | undefined
  tcpSocket?: TCPSocketAction | undefined
}

export interface LimitRange {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: LimitRangeSpec | undefined
}

export interface LimitRangeItem {
  default?: Record<string, Quantity> | undefined
  defaultRequest?: Record<string, Quantity> | undefined
  max?: Record<string, Quantity> | undefined
  maxLimitRequestRatio?: Record<string, Quantity> | undefined
  min?: Record<string, Quantity> | undefined
  type: string
}

export interface LimitRangeList {
  apiVersion?: string | undefined
  items: Array<LimitRange>
  kind?: string | undefined
  metadata: ListMeta
}

export interface LimitRangeSpec {
  limits: Array<LimitRangeItem>
}

export interface LinuxContainerUser {
  gid: number
  supplementalGroups?: Array<number> | undefined
  uid: number
}

export interface LoadBalancerIngress {
  hostname?: string | undefined
  ip?: string | undefined
  ipMode?: string | undefined
  ports?: Array<PortStatus> | undefined
}

export interface LoadBalancerStatus {
  ingress?: Array<LoadBalancerIngress> | undefined
}

export interface LocalObjectReference {
  name?: string | undefined
}

export interface LocalVolumeSource {
  fsType?: string | undefined
  path: string
}

export interface ModifyVolumeStatus {
  status: string
  targetVolumeAttributesClassName?: string | undefined
}

export interface NFSVolumeSource {
  path: string
  readOnly?: boolean | undefined
  server: string
}

export interface Namespace {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: NamespaceSpec | undefined
  status?: NamespaceStatus | undefined
}

export interface NamespaceCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface NamespaceList {
  apiVersion?: string | undefined
  items: Array<Namespace>
  kind?: string | undefined
  metadata: ListMeta
}

export interface NamespaceSpec {
  finalizers?: Array<string> | undefined
}

export interface NamespaceStatus {
  conditions?: Array<NamespaceCondition> | undefined
  phase?: string | undefined
}

export interface Node {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: NodeSpec | undefined
  status?: NodeStatus | undefined
}

export interface NodeAddress {
  address: string
  type: string
}

export interface NodeAffinity {
  preferredDuringSchedulingIgnoredDuringExecution?: Array<PreferredSchedulingTerm> | undefined
  requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector | undefined
}

export interface NodeCondition {
  lastHeartbeatTime?: Time | undefined
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface NodeConfigSource {
  configMap?: ConfigMapNodeConfigSource | undefined
}

export interface NodeConfigStatus {
  active?: NodeConfigSource | undefined
  assigned?: NodeConfigSource | undefined
  error?: string | undefined
  lastKnownGood?: NodeConfigSource | undefined
}

export interface NodeDaemonEndpoints {
  kubeletEndpoint?: DaemonEndpoint | undefined
}

export interface NodeFeatures {
  supplementalGroupsPolicy?: boolean | undefined
}

export interface NodeList {
  apiVersion?: string | undefined
  items: Array<Node>
  kind?: string | undefined
  metadata: ListMeta
}

export interface NodeRuntimeHandler {
  features?: NodeRuntimeHandlerFeatures | undefined
  name?: string | undefined
}

export interface NodeRuntimeHandlerFeatures {
  recursiveReadOnlyMounts?: boolean | undefined
  userNamespaces?: boolean | undefined
}

export interface NodeSelector {
  nodeSelectorTerms: Array<NodeSelectorTerm>
}

export interface NodeSelectorRequirement {
  key: string
  operator: string
  values?: Array<string> | undefined
}

export interface NodeSelectorTerm {
  matchExpressions?: Array<NodeSelectorRequirement> | undefined
  matchFields?: Array<NodeSelectorRequirement> | undefined
}

export interface NodeSpec {
  configSource?: NodeConfigSource | undefined
  externalID?: string | undefined
  podCIDR?: string | undefined
  podCIDRs?: Array<string> | undefined
  providerID?: string | undefined
  taints?: Array<Taint> | undefined
  unschedulable?: boolean | undefined
}

export interface NodeStatus {
  addresses?: Array<NodeAddress> | undefined
  allocatable?: Record<string, Quantity> | undefined
  capacity?: Record<string, Quantity> | undefined
  conditions?: Array<NodeCondition> | undefined
  config?: NodeConfigStatus | undefined
  daemonEndpoints?: NodeDaemonEndpoints | undefined
  declaredFeatures?: Array<string> | undefined
  features?: NodeFeatures | undefined
  images?: Array<ContainerImage> | undefined
  nodeInfo?: NodeSystemInfo | undefined
  phase?: string | undefined
  runtimeHandlers?: Array<NodeRuntimeHandler> | undefined
  volumesAttached?: Array<AttachedVolume> | undefined
  volumesInUse?: Array<string> | undefined
}

export interface NodeSwapStatus {
  capacity?: number | undefined
}

export interface NodeSystemInfo {
  architecture: string
  bootID: string
  containerRuntimeVersion: string
  kernelVersion: string
  kubeProxyVersion: string
  kubeletVersion: string
  machineID: string
  operatingSystem: string
  osImage: string
  swap?: NodeSwapStatus | undefined
  systemUUID: string
}

export interface ObjectFieldSelector {
  apiVersion?: string | undefined
  fieldPath: string
}

export interface ObjectReference {
  apiVersion?: string | undefined
  fieldPath?: string | undefined
  kind?: string | undefined
  name?: string | undefined
  namespace?: string | undefined
  resourceVersion?: string | undefined
  uid?: string | undefined
}

export interface PersistentVolume {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: PersistentVolumeSpec | undefined
  status?: PersistentVolumeStatus | undefined
}

export interface PersistentVolumeClaim {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: PersistentVolumeClaimSpec | undefined
  status?: PersistentVolumeClaimStatus | undefined
}

export interface PersistentVolumeClaimCondition {
  lastProbeTime?: Time | undefined
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface PersistentVolumeClaimList {
  apiVersion?: string | undefined
  items: Array<PersistentVolumeClaim>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PersistentVolumeClaimSpec {
  accessModes?: Array<string> | undefined
  dataSource?: TypedLocalObjectReference | undefined
  dataSourceRef?: TypedObjectReference | undefined
  resources?: VolumeResourceRequirements | undefined
  selector?: LabelSelector | undefined
  storageClassName?: string | undefined
  volumeAttributesClassName?: string | undefined
  volumeMode?: string | undefined
  volumeName?: string | undefined
}

export interface PersistentVolumeClaimStatus {
  accessModes?: Array<string> | undefined
  allocatedResourceStatuses?: Record<string, string> | undefined
  allocatedResources?: Record<string, Quantity> | undefined
  capacity?: Record<string, Quantity> | undefined
  conditions?: Array<PersistentVolumeClaimCondition> | undefined
  currentVolumeAttributesClassName?: string | undefined
  modifyVolumeStatus?: ModifyVolumeStatus | undefined
  phase?: string | undefined
}

export interface PersistentVolumeClaimTemplate {
  metadata?: ObjectMeta | undefined
  spec: PersistentVolumeClaimSpec
}

export interface PersistentVolumeClaimVolumeSource {
  claimName: string
  readOnly?: boolean | undefined
}

export interface PersistentVolumeList {
  apiVersion?: string | undefined
  items: Array<PersistentVolume>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PersistentVolumeSpec {
  accessModes?: Array<string> | undefined
  awsElasticBlockStore?: AWSElasticBlockStoreVolumeSource | undefined
  azureDisk?: AzureDiskVolumeSource | undefined
  azureFile?: AzureFilePersistentVolumeSource | undefined
  capacity?: Record<string, Quantity> | undefined
  cephfs?: CephFSPersistentVolumeSource | undefined
  cinder?: CinderPersistentVolumeSource | undefined
  claimRef?: ObjectReference | undefined
  csi?: CSIPersistentVolumeSource | undefined
  fc?: FCVolumeSource | undefined
  flexVolume?: FlexPersistentVolumeSource | undefined
  flocker?: FlockerVolumeSource | undefined
  gcePersistentDisk?: GCEPersistentDiskVolumeSource | undefined
  glusterfs?: GlusterfsPersistentVolumeSource | undefined
  hostPath?: HostPathVolumeSource | undefined
  iscsi?: ISCSIPersistentVolumeSource | undefined
  local?: LocalVolumeSource | undefined
  mountOptions?: Array<string> | undefined
  nfs?: NFSVolumeSource | undefined
  nodeAffinity?: VolumeNodeAffinity | undefined
  persistentVolumeReclaimPolicy?: string | undefined
  photonPersistentDisk?: PhotonPersistentDiskVolumeSource | undefined
  portworxVolume?: PortworxVolumeSource | undefined
  quobyte?: QuobyteVolumeSource | undefined
  rbd?: RBDPersistentVolumeSource | undefined
  scaleIO?: ScaleIOPersistentVolumeSource | undefined
  storageClassName?: string | undefined
  storageos?: StorageOSPersistentVolumeSource | undefined
  volumeAttributesClassName?: string | undefined
  volumeMode?: string | undefined
  vsphereVolume?: VsphereVirtualDiskVolumeSource | undefined
}

export interface PersistentVolumeStatus {
  lastPhaseTransitionTime?: Time | undefined
  message?: string | undefined
  phase?: string | undefined
  reason?: string | undefined
}

export interface PhotonPersistentDiskVolumeSource {
  fsType?: string | undefined
  pdID: string
}

export interface Pod {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: PodSpec | undefined
  status?: PodStatus | undefined
}

export interface PodAffinity {
  preferredDuringSchedulingIgnoredDuringExecution?: Array<WeightedPodAffinityTerm> | undefined
  requiredDuringSchedulingIgnoredDuringExecution?: Array<PodAffinityTerm> | undefined
}

export interface PodAffinityTerm {
  labelSelector?: LabelSelector | undefined
  matchLabelKeys?: Array<string> | undefined
  mismatchLabelKeys?: Array<string> | undefined
  namespaceSelector?: LabelSelector | undefined
  namespaces?: Array<string> | undefined
  topologyKey: string
}

export interface PodAntiAffinity {
  preferredDuringSchedulingIgnoredDuringExecution?: Array<WeightedPodAffinityTerm> | undefined
  requiredDuringSchedulingIgnoredDuringExecution?: Array<PodAffinityTerm> | undefined
}

export interface PodCertificateProjection {
  certificateChainPath?: string | undefined
  credentialBundlePath?: string | undefined
  keyPath?: string | undefined
  keyType: string
  maxExpirationSeconds?: number | undefined
  signerName: string
  userAnnotations?: Record<string, string> | undefined
}

export interface PodCondition {
  lastProbeTime?: Time | undefined
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  observedGeneration?: number | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface PodDNSConfig {
  nameservers?: Array<string> | undefined
  options?: Array<PodDNSConfigOption> | undefined
  searches?: Array<string> | undefined
}

export interface PodDNSConfigOption {
  name?: string | undefined
  value?: string | undefined
}

export interface PodExtendedResourceClaimStatus {
  requestMappings: Array<ContainerExtendedResourceRequest>
  resourceClaimName: string
}

export interface PodIP {
  ip: string
}

export interface PodList {
  apiVersion?: string | undefined
  items: Array<Pod>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PodOS {
  name: string
}

export interface PodReadinessGate {
  conditionType: string
}

export interface PodResourceClaim {
  name: string
  resourceClaimName?: string | undefined
  resourceClaimTemplateName?: string | undefined
}

export interface PodResourceClaimStatus {
  name: string
  resourceClaimName?: string | undefined
}

export interface PodSchedulingGate {
  name: string
}

export interface PodSecurityContext {
  appArmorProfile?: AppArmorProfile | undefined
  fsGroup?: number | undefined
  fsGroupChangePolicy?: string | undefined
  runAsGroup?: number | undefined
  runAsNonRoot?: boolean | undefined
  runAsUser?: number | undefined
  seLinuxChangePolicy?: string | undefined
  seLinuxOptions?: SELinuxOptions | undefined
  seccompProfile?: SeccompProfile | undefined
  supplementalGroups?: Array<number> | undefined
  supplementalGroupsPolicy?: string | undefined
  sysctls?: Array<Sysctl> | undefined
  windowsOptions?: WindowsSecurityContextOptions | undefined
}

export interface PodSpec {
  activeDeadlineSeconds?: number | undefined
  affinity?: Affinity | undefined
  automountServiceAccountToken?: boolean | undefined
  containers: Array<Container>
  dnsConfig?: PodDNSConfig | undefined
  dnsPolicy?: string | undefined
  enableServiceLinks?: boolean | undefined
  ephemeralContainers?: Array<EphemeralContainer> | undefined
  hostAliases?: Array<HostAlias> | undefined
  hostIPC?: boolean | undefined
  hostNetwork?: boolean | undefined
  hostPID?: boolean | undefined
  hostUsers?: boolean | undefined
  hostname?: string | undefined
  hostnameOverride?: string | undefined
  imagePullSecrets?: Array<LocalObjectReference> | undefined
  initContainers?: Array<Container> | undefined
  nodeName?: string | undefined
  nodeSelector?: Record<string, string> | undefined
  os?: PodOS | undefined
  overhead?: Record<string, Quantity> | undefined
  preemptionPolicy?: string | undefined
  priority?: number | undefined
  priorityClassName?: string | undefined
  readinessGates?: Array<PodReadinessGate> | undefined
  resourceClaims?: Array<PodResourceClaim> | undefined
  resources?: ResourceRequirements | undefined
  restartPolicy?: string | undefined
  runtimeClassName?: string | undefined
  schedulerName?: string | undefined
  schedulingGates?: Array<PodSchedulingGate> | undefined
  securityContext?: PodSecurityContext | undefined
  serviceAccount?: string | undefined
  serviceAccountName?: string | undefined
  setHostnameAsFQDN?: boolean | undefined
  shareProcessNamespace?: boolean | undefined
  subdomain?: string | undefined
  terminationGracePeriodSeconds?: number | undefined
  tolerations?: Array<Toleration> | undefined
  topologySpreadConstraints?: Array<TopologySpreadConstraint> | undefined
  volumes?: Array<Volume> | undefined
  workloadRef?: WorkloadReference | undefined
}

export interface PodStatus {
  allocatedResources?: Record<string, Quantity> | undefined
  conditions?: Array<PodCondition> | undefined
  containerStatuses?: Array<ContainerStatus> | undefined
  ephemeralContainerStatuses?: Array<ContainerStatus> | undefined
  extendedResourceClaimStatus?: PodExtendedResourceClaimStatus | undefined
  hostIP?: string | undefined
  hostIPs?: Array<HostIP> | undefined
  initContainerStatuses?: Array<ContainerStatus> | undefined
  message?: string | undefined
  nominatedNodeName?: string | undefined
  observedGeneration?: number | undefined
  phase?: string | undefined
  podIP?: string | undefined
  podIPs?: Array<PodIP> | undefined
  qosClass?: string | undefined
  reason?: string | undefined
  resize?: string | undefined
  resourceClaimStatuses?: Array<PodResourceClaimStatus> | undefined
  resources?: ResourceRequirements | undefined
  startTime?: Time | undefined
}

export interface PodTemplate {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  template?: PodTemplateSpec | undefined
}

export interface PodTemplateList {
  apiVersion?: string | undefined
  items: Array<PodTemplate>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PodTemplateSpec {
  metadata?: ObjectMeta | undefined
  spec?: PodSpec | undefined
}

export interface PortStatus {
  error?: string | undefined
  port: number
  protocol: string
}

export interface PortworxVolumeSource {
  fsType?: string | undefined
  readOnly?: boolean | undefined
  volumeID: string
}

export interface PreferredSchedulingTerm {
  preference: NodeSelectorTerm
  weight: number
}

export interface Probe {
  exec?: ExecAction | undefined
  failureThreshold?: number | undefined
  grpc?: GRPCAction | undefined
  httpGet?: HTTPGetAction | undefined
  initialDelaySeconds?: number | undefined
  periodSeconds?: number | undefined
  successThreshold?: number | undefined
  tcpSocket?: TCPSocketAction | undefined
  terminationGracePeriodSeconds?: number | undefined
  timeoutSeconds?: number | undefined
}

export interface ProjectedVolumeSource {
  defaultMode?: number | undefined
  sources?: Array<VolumeProjection> | undefined
}

export interface QuobyteVolumeSource {
  group?: string | undefined
  readOnly?: boolean | undefined
  registry: string
  tenant?: string | undefined
  user?: string | undefined
  volume: string
}

export interface RBDPersistentVolumeSource {
  fsType?: string | undefined
  image: string
  keyring?: string | undefined
  monitors: Array<string>
  pool?: string | undefined
  readOnly?: boolean | undefined
  secretRef?: SecretReference | undefined
  user?: string | undefined
}

export interface RBDVolumeSource {
  fsType?: string | undefined
  image: string
  keyring?: string | undefined
  monitors: Array<string>
  pool?: string | undefined
  readOnly?: boolean | undefined
  secretRef?: LocalObjectReference | undefined
  user?: string | undefined
}

export interface ReplicationController {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ReplicationControllerSpec | undefined
  status?: ReplicationControllerStatus | undefined
}

export interface ReplicationControllerCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface ReplicationControllerList {
  apiVersion?: string | undefined
  items: Array<ReplicationController>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ReplicationControllerSpec {
  minReadySeconds?: number | undefined
  replicas?: number | undefined
  selector?: Record<string, string> | undefined
  template?: PodTemplateSpec | undefined
}

export interface ReplicationControllerStatus {
  availableReplicas?: number | undefined
  conditions?: Array<ReplicationControllerCondition> | undefined
  fullyLabeledReplicas?: number | undefined
  observedGeneration?: number | undefined
  readyReplicas?: number | undefined
  replicas: number
}

export interface ResourceClaim {
  name: string
  request?: string | undefined
}

export interface ResourceFieldSelector {
  containerName?: string | undefined
  divisor?: Quantity | undefined
  resource: string
}

export interface ResourceHealth {
  health?: string | undefined
  resourceID: string
}

export interface ResourceQuota {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ResourceQuotaSpec | undefined
  status?: ResourceQuotaStatus | undefined
}

export interface ResourceQuotaList {
  apiVersion?: string | undefined
  items: Array<ResourceQuota>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ResourceQuotaSpec {
  hard?: Record<string, Quantity> | undefined
  scopeSelector?: ScopeSelector | undefined
  scopes?: Array<string> | undefined
}

export interface ResourceQuotaStatus {
  hard?: Record<string, Quantity> | undefined
  used?: Record<string, Quantity> | undefined
}

export interface ResourceRequirements {
  claims?: Array<ResourceClaim> | undefined
  limits?: Record<string, Quantity> | undefined
  requests?: Record<string, Quantity> | undefined
}

export interface ResourceStatus {
  name: string
  resources?: Array<ResourceHealth> | undefined
}

export interface SELinuxOptions {
  level?: string | undefined
  role?: string | undefined
  type?: string | undefined
  user?: string | undefined
}

export interface ScaleIOPersistentVolumeSource {
  fsType?: string | undefined
  gateway: string
  protectionDomain?: string | undefined
  readOnly?: boolean | undefined
  secretRef: SecretReference
  sslEnabled?: boolean | undefined
  storageMode?: string | undefined
  storagePool?: string | undefined
  system: string
  volumeName?: string | undefined
}

export interface ScaleIOVolumeSource {
  fsType?: string | undefined
  gateway: string
  protectionDomain?: string | undefined
  readOnly?: boolean | undefined
  secretRef: LocalObjectReference
  sslEnabled?: boolean | undefined
  storageMode?: string | undefined
  storagePool?: string | undefined
  system: string
  volumeName?: string | undefined
}

export interface ScopeSelector {
  matchExpressions?: Array<ScopedResourceSelectorRequirement> | undefined
}

export interface ScopedResourceSelectorRequirement {
  operator: string
  scopeName: string
  values?: Array<string> | undefined
}

export interface SeccompProfile {
  localhostProfile?: string | undefined
  type: string
}

export interface Secret {
  apiVersion?: string | undefined
  data?: Record<string, string> | undefined
  immutable?: boolean | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  stringData?: Record<string, string> | undefined
  type?: string | undefined
}

export interface SecretEnvSource {
  name?: string | undefined
  optional?: boolean | undefined
}

export interface SecretKeySelector {
  key: string
  name?: string | undefined
  optional?: boolean | undefined
}

export interface SecretList {
  apiVersion?: string | undefined
  items: Array<Secret>
  kind?: string | undefined
  metadata: ListMeta
}

export interface SecretProjection {
  items?: Array<KeyToPath> | undefined
  name?: string | undefined
  optional?: boolean | undefined
}

export interface SecretReference {
  name?: string | undefined
  namespace?: string | undefined
}

export interface SecretVolumeSource {
  defaultMode?: number | undefined
  items?: Array<KeyToPath> | undefined
  optional?: boolean | undefined
  secretName?: string | undefined
}

export interface SecurityContext {
  allowPrivilegeEscalation?: boolean | undefined
  appArmorProfile?: AppArmorProfile | undefined
  capabilities?: Capabilities | undefined
  privileged?: boolean | undefined
  procMount?: string | undefined
  readOnlyRootFilesystem?: boolean | undefined
  runAsGroup?: number | undefined
  runAsNonRoot?: boolean | undefined
  runAsUser?: number | undefined
  seLinuxOptions?: SELinuxOptions | undefined
  seccompProfile?: SeccompProfile | undefined
  windowsOptions?: WindowsSecurityContextOptions | undefined
}

export interface Service {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ServiceSpec | undefined
  status?: ServiceStatus | undefined
}

export interface ServiceAccount {
  apiVersion?: string | undefined
  automountServiceAccountToken?: boolean | undefined
  imagePullSecrets?: Array<LocalObjectReference> | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  secrets?: Array<ObjectReference> | undefined
}

export interface ServiceAccountList {
  apiVersion?: string | undefined
  items: Array<ServiceAccount>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ServiceAccountTokenProjection {
  audience?: string | undefined
  expirationSeconds?: number | undefined
  path: string
}

export interface ServiceList {
  apiVersion?: string | undefined
  items: Array<Service>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ServicePort {
  appProtocol?: string | undefined
  name?: string | undefined
  nodePort?: number | undefined
  port: number
  protocol?: string | undefined
  targetPort?: IntOrString | undefined
}

export interface ServiceSpec {
  allocateLoadBalancerNodePorts?: boolean | undefined
  clusterIP?: string | undefined
  clusterIPs?: Array<string> | undefined
  externalIPs?: Array<string> | undefined
  externalName?: string | undefined
  externalTrafficPolicy?: string | undefined
  healthCheckNodePort?: number | undefined
  internalTrafficPolicy?: string | undefined
  ipFamilies?: Array<string> | undefined
  ipFamilyPolicy?: string | undefined
  loadBalancerClass?: string | undefined
  loadBalancerIP?: string | undefined
  loadBalancerSourceRanges?: Array<string> | undefined
  ports?: Array<ServicePort> | undefined
  publishNotReadyAddresses?: boolean | undefined
  selector?: Record<string, string> | undefined
  sessionAffinity?: string | undefined
  sessionAffinityConfig?: SessionAffinityConfig | undefined
  trafficDistribution?: string | undefined
  type?: string | undefined
}

export interface ServiceStatus {
  conditions?: Array<Condition> | undefined
  loadBalancer?: LoadBalancerStatus | undefined
}

export interface SessionAffinityConfig {
  clientIP?: ClientIPConfig | undefined
}

export interface SleepAction {
  seconds: number
}

export interface StorageOSPersistentVolumeSource {
  fsType?: string | undefined
  readOnly?: boolean | undefined
  secretRef?: ObjectReference | undefined
  volumeName?: string | undefined
  volumeNamespace?: string | undefined
}

export interface StorageOSVolumeSource {
  fsType?: string | undefined
  readOnly?: boolean | undefined
  secretRef?: LocalObjectReference | undefined
  volumeName?: string | undefined
  volumeNamespace?: string | undefined
}

export interface Sysctl {
  name: string
  value: string
}

export interface TCPSocketAction {
  host?: string | undefined
  port: IntOrString
}

export interface Taint {
  effect: string
  key: string
  timeAdded?: Time | undefined
  value?: string | undefined
}

export interface Toleration {
  effect?: string | undefined
  key?: string | undefined
  operator?: string | undefined
  tolerationSeconds?: number | undefined
  value?: string | undefined
}

export interface TopologySelectorLabelRequirement {
  key: string
  values: Array<string>
}

export interface TopologySelectorTerm {
  matchLabelExpressions?: Array<TopologySelectorLabelRequirement> | undefined
}

export interface TopologySpreadConstraint {
  labelSelector?: LabelSelector | undefined
  matchLabelKeys?: Array<string> | undefined
  maxSkew: number
  minDomains?: number | undefined
  nodeAffinityPolicy?: string | undefined
  nodeTaintsPolicy?: string | undefined
  topologyKey: string
  whenUnsatisfiable: string
}

export interface TypedLocalObjectReference {
  apiGroup?: string | undefined
  kind: string
  name: string
}

export interface TypedObjectReference {
  apiGroup?: string | undefined
  kind: string
  name: string
  namespace?: string | undefined
}

export interface Volume {
  awsElasticBlockStore?: AWSElasticBlockStoreVolumeSource | undefined
  azureDisk?: AzureDiskVolumeSource | undefined
  azureFile?: AzureFileVolumeSource | undefined
  cephfs?: CephFSVolumeSource | undefined
  cinder?: CinderVolumeSource | undefined
  configMap?: ConfigMapVolumeSource | undefined
  csi?: CSIVolumeSource | undefined
  downwardAPI?: DownwardAPIVolumeSource | undefined
  emptyDir?: EmptyDirVolumeSource | undefined
  ephemeral?: EphemeralVolumeSource | undefined
  fc?: FCVolumeSource | undefined
  flexVolume?: FlexVolumeSource | undefined
  flocker?: FlockerVolumeSource | undefined
  gcePersistentDisk?: GCEPersistentDiskVolumeSource | undefined
  gitRepo?: GitRepoVolumeSource | undefined
  glusterfs?: GlusterfsVolumeSource | undefined
  hostPath?: HostPathVolumeSource | undefined
  image?: ImageVolumeSource | undefined
  iscsi?: ISCSIVolumeSource | undefined
  name: string
  nfs?: NFSVolumeSource | undefined
  persistentVolumeClaim?: PersistentVolumeClaimVolumeSource | undefined
  photonPersistentDisk?: PhotonPersistentDiskVolumeSource | undefined
  portworxVolume?: PortworxVolumeSource | undefined
  projected?: ProjectedVolumeSource | undefined
  quobyte?: QuobyteVolumeSource | undefined
  rbd?: RBDVolumeSource | undefined
  scaleIO?: ScaleIOVolumeSource | undefined
  secret?: SecretVolumeSource | undefined
  storageos?: StorageOSVolumeSource | undefined
  vsphereVolume?: VsphereVirtualDiskVolumeSource | undefined
}

export interface VolumeDevice {
  devicePath: string
  name: string
}

export interface VolumeMount {
  mountPath: string
  mountPropagation?: string | undefined
  name: string
  readOnly?: boolean | undefined
  recursiveReadOnly?: string | undefined
  subPath?: string | undefined
  subPathExpr?: string | undefined
}

export interface VolumeMountStatus {
  mountPath: string
  name: string
  readOnly?: boolean | undefined
  recursiveReadOnly?: string | undefined
}

export interface VolumeNodeAffinity {
  required?: NodeSelector | undefined
}

export interface VolumeProjection {
  clusterTrustBundle?: ClusterTrustBundleProjection | undefined
  configMap?: ConfigMapProjection | undefined
  downwardAPI?: DownwardAPIProjection | undefined
  podCertificate?: PodCertificateProjection | undefined
  secret?: SecretProjection | undefined
  serviceAccountToken?: ServiceAccountTokenProjection | undefined
}

export interface VolumeResourceRequirements {
  limits?: Record<string, Quantity> | undefined
  requests?: Record<string, Quantity> | undefined
}

export interface VsphereVirtualDiskVolumeSource {
  fsType?: string | undefined
  storagePolicyID?: string | undefined
  storagePolicyName?: string | undefined
  volumePath: string
}

export interface WeightedPodAffinityTerm {
  podAffinityTerm: PodAffinityTerm
  weight: number
}

export interface WindowsSecurityContextOptions {
  gmsaCredentialSpec?: string | undefined
  gmsaCredentialSpecName?: string | undefined
  hostProcess?: boolean | undefined
  runAsUserName?: string | undefined
}

export interface WorkloadReference {
  name: string
  podGroup: string
  podGroupReplicaKey?: string | undefined
}

export interface Endpoint {
  addresses: Array<string>
  conditions?: EndpointConditions | undefined
  deprecatedTopology?: Record<string, string> | undefined
  hints?: EndpointHints | undefined
  hostname?: string | undefined
  nodeName?: string | undefined
  targetRef?: ObjectReference | undefined
  zone?: string | undefined
}

export interface EndpointConditions {
  ready?: boolean | undefined
  serving?: boolean | undefined
  terminating?: boolean | undefined
}

export interface EndpointHints {
  forNodes?: Array<ForNode> | undefined
  forZones?: Array<ForZone> | undefined
}

export interface DiscoveryEndpointPort {
  appProtocol?: string | undefined
  name?: string | undefined
  port?: number | undefined
  protocol?: string | undefined
}

export interface EndpointSlice {
  addressType: string
  apiVersion?: string | undefined
  endpoints: Array<Endpoint>
  kind?: string | undefined
  metadata: ObjectMeta
  ports?: Array<DiscoveryEndpointPort> | undefined
}

export interface EndpointSliceList {
  apiVersion?: string | undefined
  items: Array<EndpointSlice>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ForNode {
  name: string
}

export interface ForZone {
  name: string
}

export interface EventsEvent {
  action?: string | undefined
  apiVersion?: string | undefined
  deprecatedCount?: number | undefined
  deprecatedFirstTimestamp?: Time | undefined
  deprecatedLastTimestamp?: Time | undefined
  deprecatedSource?: EventSource | undefined
  eventTime: MicroTime
  kind?: string | undefined
  metadata: ObjectMeta
  note?: string | undefined
  reason?: string | undefined
  regarding?: ObjectReference | undefined
  related?: ObjectReference | undefined
  reportingController?: string | undefined
  reportingInstance?: string | undefined
  series?: EventsEventSeries | undefined
  type?: string | undefined
}

export interface EventsEventList {
  apiVersion?: string | undefined
  items: Array<EventsEvent>
  kind?: string | undefined
  metadata: ListMeta
}

export interface EventsEventSeries {
  count: number
  lastObservedTime: MicroTime
}

export interface ExemptPriorityLevelConfiguration {
  lendablePercent?: number | undefined
  nominalConcurrencyShares?: number | undefined
}

export interface FlowDistinguisherMethod {
  type: string
}

export interface FlowSchema {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: FlowSchemaSpec | undefined
  status?: FlowSchemaStatus | undefined
}

export interface FlowSchemaCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status?: string | undefined
  type?: string | undefined
}

export interface FlowSchemaList {
  apiVersion?: string | undefined
  items: Array<FlowSchema>
  kind?: string | undefined
  metadata: ListMeta
}

export interface FlowSchemaSpec {
  distinguisherMethod?: FlowDistinguisherMethod | undefined
  matchingPrecedence?: number | undefined
  priorityLevelConfiguration: PriorityLevelConfigurationReference
  rules?: Array<PolicyRulesWithSubjects> | undefined
}

export interface FlowSchemaStatus {
  conditions?: Array<FlowSchemaCondition> | undefined
}

export interface GroupSubject {
  name: string
}

export interface LimitResponse {
  queuing?: QueuingConfiguration | undefined
  type: string
}

export interface LimitedPriorityLevelConfiguration {
  borrowingLimitPercent?: number | undefined
  lendablePercent?: number | undefined
  limitResponse?: LimitResponse | undefined
  nominalConcurrencyShares?: number | undefined
}

export interface NonResourcePolicyRule {
  nonResourceURLs: Array<string>
  verbs: Array<string>
}

export interface PolicyRulesWithSubjects {
  nonResourceRules?: Array<NonResourcePolicyRule> | undefined
  resourceRules?: Array<ResourcePolicyRule> | undefined
  subjects: Array<FlowcontrolSubject>
}

export interface PriorityLevelConfiguration {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: PriorityLevelConfigurationSpec | undefined
  status?: PriorityLevelConfigurationStatus | undefined
}

export interface PriorityLevelConfigurationCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status?: string | undefined
  type?: string | undefined
}

export interface PriorityLevelConfigurationList {
  apiVersion?: string | undefined
  items: Array<PriorityLevelConfiguration>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PriorityLevelConfigurationReference {
  name: string
}

export interface PriorityLevelConfigurationSpec {
  exempt?: ExemptPriorityLevelConfiguration | undefined
  limited?: LimitedPriorityLevelConfiguration | undefined
  type: string
}

export interface PriorityLevelConfigurationStatus {
  conditions?: Array<PriorityLevelConfigurationCondition> | undefined
}

export interface QueuingConfiguration {
  handSize?: number | undefined
  queueLengthLimit?: number | undefined
  queues?: number | undefined
}

export interface ResourcePolicyRule {
  apiGroups: Array<string>
  clusterScope?: boolean | undefined
  namespaces?: Array<string> | undefined
  resources: Array<string>
  verbs: Array<string>
}

export interface ServiceAccountSubject {
  name: string
  namespace: string
}

export interface FlowcontrolSubject {
  group?: GroupSubject | undefined
  kind: string
  serviceAccount?: ServiceAccountSubject | undefined
  user?: UserSubject | undefined
}

export interface UserSubject {
  name: string
}

export interface HTTPIngressPath {
  backend: IngressBackend
  path?: string | undefined
  pathType: string
}

export interface HTTPIngressRuleValue {
  paths: Array<HTTPIngressPath>
}

export interface IPAddress {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: IPAddressSpec | undefined
}

export interface IPAddressList {
  apiVersion?: string | undefined
  items: Array<IPAddress>
  kind?: string | undefined
  metadata: ListMeta
}

export interface IPAddressSpec {
  parentRef: ParentReference
}

export interface IPBlock {
  cidr: string
  except?: Array<string> | undefined
}

export interface Ingress {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: IngressSpec | undefined
  status?: IngressStatus | undefined
}

export interface IngressBackend {
  resource?: TypedLocalObjectReference | undefined
  service?: IngressServiceBackend | undefined
}

export interface IngressClass {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: IngressClassSpec | undefined
}

export interface IngressClassList {
  apiVersion?: string | undefined
  items: Array<IngressClass>
  kind?: string | undefined
  metadata: ListMeta
}

export interface IngressClassParametersReference {
  apiGroup?: string | undefined
  kind: string
  name: string
  namespace?: string | undefined
  scope?: string | undefined
}

export interface IngressClassSpec {
  controller?: string | undefined
  parameters?: IngressClassParametersReference | undefined
}

export interface IngressList {
  apiVersion?: string | undefined
  items: Array<Ingress>
  kind?: string | undefined
  metadata: ListMeta
}

export interface IngressLoadBalancerIngress {
  hostname?: string | undefined
  ip?: string | undefined
  ports?: Array<IngressPortStatus> | undefined
}

export interface IngressLoadBalancerStatus {
  ingress?: Array<IngressLoadBalancerIngress> | undefined
}

export interface IngressPortStatus {
  error?: string | undefined
  port: number
  protocol: string
}

export interface IngressRule {
  host?: string | undefined
  http?: HTTPIngressRuleValue | undefined
}

export interface IngressServiceBackend {
  name: string
  port?: ServiceBackendPort | undefined
}

export interface IngressSpec {
  defaultBackend?: IngressBackend | undefined
  ingressClassName?: string | undefined
  rules?: Array<IngressRule> | undefined
  tls?: Array<IngressTLS> | undefined
}

export interface IngressStatus {
  loadBalancer?: IngressLoadBalancerStatus | undefined
}

export interface IngressTLS {
  hosts?: Array<string> | undefined
  secretName?: string | undefined
}

export interface NetworkPolicy {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: NetworkPolicySpec | undefined
}

export interface NetworkPolicyEgressRule {
  ports?: Array<NetworkPolicyPort> | undefined
  to?: Array<NetworkPolicyPeer> | undefined
}

export interface NetworkPolicyIngressRule {
  from?: Array<NetworkPolicyPeer> | undefined
  ports?: Array<NetworkPolicyPort> | undefined
}

export interface NetworkPolicyList {
  apiVersion?: string | undefined
  items: Array<NetworkPolicy>
  kind?: string | undefined
  metadata: ListMeta
}

export interface NetworkPolicyPeer {
  ipBlock?: IPBlock | undefined
  namespaceSelector?: LabelSelector | undefined
  podSelector?: LabelSelector | undefined
}

export interface NetworkPolicyPort {
  endPort?: number | undefined
  port?: IntOrString | undefined
  protocol?: string | undefined
}

export interface NetworkPolicySpec {
  egress?: Array<NetworkPolicyEgressRule> | undefined
  ingress?: Array<NetworkPolicyIngressRule> | undefined
  podSelector?: LabelSelector | undefined
  policyTypes?: Array<string> | undefined
}

export interface ParentReference {
  group?: string | undefined
  name: string
  namespace?: string | undefined
  resource: string
}

export interface ServiceBackendPort {
  name?: string | undefined
  number?: number | undefined
}

export interface ServiceCIDR {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: ServiceCIDRSpec | undefined
  status?: ServiceCIDRStatus | undefined
}

export interface ServiceCIDRList {
  apiVersion?: string | undefined
  items: Array<ServiceCIDR>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ServiceCIDRSpec {
  cidrs?: Array<string> | undefined
}

export interface ServiceCIDRStatus {
  conditions?: Array<Condition> | undefined
}

export interface Overhead {
  podFixed?: Record<string, Quantity> | undefined
}

export interface RuntimeClass {
  apiVersion?: string | undefined
  handler: string
  kind?: string | undefined
  metadata: ObjectMeta
  overhead?: Overhead | undefined
  scheduling?: Scheduling | undefined
}

export interface RuntimeClassList {
  apiVersion?: string | undefined
  items: Array<RuntimeClass>
  kind?: string | undefined
  metadata: ListMeta
}

export interface Scheduling {
  nodeSelector?: Record<string, string> | undefined
  tolerations?: Array<Toleration> | undefined
}

export interface Eviction {
  apiVersion?: string | undefined
  deleteOptions?: DeleteOptions | undefined
  kind?: string | undefined
  metadata: ObjectMeta
}

export interface PodDisruptionBudget {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: PodDisruptionBudgetSpec | undefined
  status?: PodDisruptionBudgetStatus | undefined
}

export interface PodDisruptionBudgetList {
  apiVersion?: string | undefined
  items: Array<PodDisruptionBudget>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PodDisruptionBudgetSpec {
  maxUnavailable?: IntOrString | undefined
  minAvailable?: IntOrString | undefined
  selector?: LabelSelector | undefined
  unhealthyPodEvictionPolicy?: string | undefined
}

export interface PodDisruptionBudgetStatus {
  conditions?: Array<Condition> | undefined
  currentHealthy: number
  desiredHealthy: number
  disruptedPods?: Record<string, Time> | undefined
  disruptionsAllowed: number
  expectedPods: number
  observedGeneration?: number | undefined
}

export interface AggregationRule {
  clusterRoleSelectors?: Array<LabelSelector> | undefined
}

export interface ClusterRole {
  aggregationRule?: AggregationRule | undefined
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  rules?: Array<PolicyRule> | undefined
}

export interface ClusterRoleBinding {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  roleRef: RoleRef
  subjects?: Array<RbacSubject> | undefined
}

export interface ClusterRoleBindingList {
  apiVersion?: string | undefined
  items: Array<ClusterRoleBinding>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ClusterRoleList {
  apiVersion?: string | undefined
  items: Array<ClusterRole>
  kind?: string | undefined
  metadata: ListMeta
}

export interface PolicyRule {
  apiGroups?: Array<string> | undefined
  nonResourceURLs?: Array<string> | undefined
  resourceNames?: Array<string> | undefined
  resources?: Array<string> | undefined
  verbs: Array<string>
}

export interface Role {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  rules?: Array<PolicyRule> | undefined
}

export interface RoleBinding {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  roleRef: RoleRef
  subjects?: Array<RbacSubject> | undefined
}

export interface RoleBindingList {
  apiVersion?: string | undefined
  items: Array<RoleBinding>
  kind?: string | undefined
  metadata: ListMeta
}

export interface RoleList {
  apiVersion?: string | undefined
  items: Array<Role>
  kind?: string | undefined
  metadata: ListMeta
}

export interface RoleRef {
  apiGroup: string
  kind: string
  name: string
}

export interface RbacSubject {
  apiGroup?: string | undefined
  kind: string
  name: string
  namespace?: string | undefined
}

export interface AllocatedDeviceStatus {
  conditions?: Array<Condition> | undefined
  data?: RawExtension | undefined
  device: string
  driver: string
  networkData?: NetworkDeviceData | undefined
  pool: string
  shareID?: string | undefined
}

export interface AllocationResult {
  allocationTimestamp?: Time | undefined
  devices?: DeviceAllocationResult | undefined
  nodeSelector?: NodeSelector | undefined
}

export interface CELDeviceSelector {
  expression: string
}

export interface CapacityRequestPolicy {
  default?: Quantity | undefined
  validRange?: CapacityRequestPolicyRange | undefined
  validValues?: Array<Quantity> | undefined
}

export interface CapacityRequestPolicyRange {
  max?: Quantity | undefined
  min: Quantity
  step?: Quantity | undefined
}

export interface CapacityRequirements {
  requests?: Record<string, Quantity> | undefined
}

export interface Counter {
  value: Quantity
}

export interface CounterSet {
  counters: Record<string, Counter>
  name: string
}

export interface Device {
  allNodes?: boolean | undefined
  allowMultipleAllocations?: boolean | undefined
  attributes?: Record<string, DeviceAttribute> | undefined
  bindingConditions?: Array<string> | undefined
  bindingFailureConditions?: Array<string> | undefined
  bindsToNode?: boolean | undefined
  capacity?: Record<string, DeviceCapacity> | undefined
  consumesCounters?: Array<DeviceCounterConsumption> | undefined
  name: string
  nodeName?: string | undefined
  nodeSelector?: NodeSelector | undefined
  taints?: Array<DeviceTaint> | undefined
}

export interface DeviceAllocationConfiguration {
  opaque?: OpaqueDeviceConfiguration | undefined
  requests?: Array<string> | undefined
  source: string
}

export interface DeviceAllocationResult {
  config?: Array<DeviceAllocationConfiguration> | undefined
  results?: Array<DeviceRequestAllocationResult> | undefined
}

export interface DeviceAttribute {
  bool?: boolean | undefined
  int?: number | undefined
  string?: string | undefined
  version?: string | undefined
}

export interface DeviceCapacity {
  requestPolicy?: CapacityRequestPolicy | undefined
  value: Quantity
}

export interface DeviceClaim {
  config?: Array<DeviceClaimConfiguration> | undefined
  constraints?: Array<DeviceConstraint> | undefined
  requests?: Array<DeviceRequest> | undefined
}

export interface DeviceClaimConfiguration {
  opaque?: OpaqueDeviceConfiguration | undefined
  requests?: Array<string> | undefined
}

export interface DeviceClass {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: DeviceClassSpec
}

export interface DeviceClassConfiguration {
  opaque?: OpaqueDeviceConfiguration | undefined
}

export interface DeviceClassList {
  apiVersion?: string | undefined
  items: Array<DeviceClass>
  kind?: string | undefined
  metadata: ListMeta
}

export interface DeviceClassSpec {
  config?: Array<DeviceClassConfiguration> | undefined
  extendedResourceName?: string | undefined
  selectors?: Array<DeviceSelector> | undefined
}

export interface DeviceConstraint {
  distinctAttribute?: string | undefined
  matchAttribute?: string | undefined
  requests?: Array<string> | undefined
}

export interface DeviceCounterConsumption {
  counterSet: string
  counters: Record<string, Counter>
}

export interface DeviceRequest {
  exactly?: ExactDeviceRequest | undefined
  firstAvailable?: Array<DeviceSubRequest> | undefined
  name: string
}

export interface DeviceRequestAllocationResult {
  adminAccess?: boolean | undefined
  bindingConditions?: Array<string> | undefined
  bindingFailureConditions?: Array<string> | undefined
  consumedCapacity?: Record<string, Quantity> | undefined
  device: string
  driver: string
  pool: string
  request: string
  shareID?: string | undefined
  tolerations?: Array<DeviceToleration> | undefined
}

export interface DeviceSelector {
  cel?: CELDeviceSelector | undefined
}

export interface DeviceSubRequest {
  allocationMode?: string | undefined
  capacity?: CapacityRequirements | undefined
  count?: number | undefined
  deviceClassName: string
  name: string
  selectors?: Array<DeviceSelector> | undefined
  tolerations?: Array<DeviceToleration> | undefined
}

export interface DeviceTaint {
  effect: string
  key: string
  timeAdded?: Time | undefined
  value?: string | undefined
}

export interface DeviceToleration {
  effect?: string | undefined
  key?: string | undefined
  operator?: string | undefined
  tolerationSeconds?: number | undefined
  value?: string | undefined
}

export interface ExactDeviceRequest {
  adminAccess?: boolean | undefined
  allocationMode?: string | undefined
  capacity?: CapacityRequirements | undefined
  count?: number | undefined
  deviceClassName: string
  selectors?: Array<DeviceSelector> | undefined
  tolerations?: Array<DeviceToleration> | undefined
}

export interface NetworkDeviceData {
  hardwareAddress?: string | undefined
  interfaceName?: string | undefined
  ips?: Array<string> | undefined
}

export interface OpaqueDeviceConfiguration {
  driver: string
  parameters: RawExtension
}

export interface ResourceResourceClaim {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: ResourceClaimSpec
  status?: ResourceClaimStatus | undefined
}

export interface ResourceClaimConsumerReference {
  apiGroup?: string | undefined
  name: string
  resource: string
  uid: string
}

export interface ResourceClaimList {
  apiVersion?: string | undefined
  items: Array<ResourceResourceClaim>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ResourceClaimSpec {
  devices?: DeviceClaim | undefined
}

export interface ResourceClaimStatus {
  allocation?: AllocationResult | undefined
  devices?: Array<AllocatedDeviceStatus> | undefined
  reservedFor?: Array<ResourceClaimConsumerReference> | undefined
}

export interface ResourceClaimTemplate {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: ResourceClaimTemplateSpec
}

export interface ResourceClaimTemplateList {
  apiVersion?: string | undefined
  items: Array<ResourceClaimTemplate>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ResourceClaimTemplateSpec {
  metadata?: ObjectMeta | undefined
  spec: ResourceClaimSpec
}

export interface ResourcePool {
  generation: number
  name: string
  resourceSliceCount: number
}

export interface ResourceSlice {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: ResourceSliceSpec
}

export interface ResourceSliceList {
  apiVersion?: string | undefined
  items: Array<ResourceSlice>
  kind?: string | undefined
  metadata: ListMeta
}

export interface ResourceSliceSpec {
  allNodes?: boolean | undefined
  devices?: Array<Device> | undefined
  driver: string
  nodeName?: string | undefined
  nodeSelector?: NodeSelector | undefined
  perDeviceNodeSelection?: boolean | undefined
  pool: ResourcePool
  sharedCounters?: Array<CounterSet> | undefined
}

export interface PriorityClass {
  apiVersion?: string | undefined
  description?: string | undefined
  globalDefault?: boolean | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  preemptionPolicy?: string | undefined
  value: number
}

export interface PriorityClassList {
  apiVersion?: string | undefined
  items: Array<PriorityClass>
  kind?: string | undefined
  metadata: ListMeta
}

export interface CSIDriver {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: CSIDriverSpec
}

export interface CSIDriverList {
  apiVersion?: string | undefined
  items: Array<CSIDriver>
  kind?: string | undefined
  metadata: ListMeta
}

export interface CSIDriverSpec {
  attachRequired?: boolean | undefined
  fsGroupPolicy?: string | undefined
  nodeAllocatableUpdatePeriodSeconds?: number | undefined
  podInfoOnMount?: boolean | undefined
  requiresRepublish?: boolean | undefined
  seLinuxMount?: boolean | undefined
  serviceAccountTokenInSecrets?: boolean | undefined
  storageCapacity?: boolean | undefined
  tokenRequests?: Array<StorageTokenRequest> | undefined
  volumeLifecycleModes?: Array<string> | undefined
}

export interface CSINode {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: CSINodeSpec
}

export interface CSINodeDriver {
  allocatable?: VolumeNodeResources | undefined
  name: string
  nodeID: string
  topologyKeys?: Array<string> | undefined
}

export interface CSINodeList {
  apiVersion?: string | undefined
  items: Array<CSINode>
  kind?: string | undefined
  metadata: ListMeta
}

export interface CSINodeSpec {
  drivers: Array<CSINodeDriver>
}

export interface CSIStorageCapacity {
  apiVersion?: string | undefined
  capacity?: Quantity | undefined
  kind?: string | undefined
  maximumVolumeSize?: Quantity | undefined
  metadata: ObjectMeta
  nodeTopology?: LabelSelector | undefined
  storageClassName: string
}

export interface CSIStorageCapacityList {
  apiVersion?: string | undefined
  items: Array<CSIStorageCapacity>
  kind?: string | undefined
  metadata: ListMeta
}

export interface StorageClass {
  allowVolumeExpansion?: boolean | undefined
  allowedTopologies?: Array<TopologySelectorTerm> | undefined
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  mountOptions?: Array<string> | undefined
  parameters?: Record<string, string> | undefined
  provisioner: string
  reclaimPolicy?: string | undefined
  volumeBindingMode?: string | undefined
}

export interface StorageClassList {
  apiVersion?: string | undefined
  items: Array<StorageClass>
  kind?: string | undefined
  metadata: ListMeta
}

export interface StorageTokenRequest {
  audience: string
  expirationSeconds?: number | undefined
}

export interface VolumeAttachment {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: VolumeAttachmentSpec
  status?: VolumeAttachmentStatus | undefined
}

export interface VolumeAttachmentList {
  apiVersion?: string | undefined
  items: Array<VolumeAttachment>
  kind?: string | undefined
  metadata: ListMeta
}

export interface VolumeAttachmentSource {
  inlineVolumeSpec?: PersistentVolumeSpec | undefined
  persistentVolumeName?: string | undefined
}

export interface VolumeAttachmentSpec {
  attacher: string
  nodeName: string
  source: VolumeAttachmentSource
}

export interface VolumeAttachmentStatus {
  attachError?: VolumeError | undefined
  attached: boolean
  attachmentMetadata?: Record<string, string> | undefined
  detachError?: VolumeError | undefined
}

export interface VolumeAttributesClass {
  apiVersion?: string | undefined
  driverName: string
  kind?: string | undefined
  metadata: ObjectMeta
  parameters?: Record<string, string> | undefined
}

export interface VolumeAttributesClassList {
  apiVersion?: string | undefined
  items: Array<VolumeAttributesClass>
  kind?: string | undefined
  metadata: ListMeta
}

export interface VolumeError {
  errorCode?: number | undefined
  message?: string | undefined
  time?: Time | undefined
}

export interface VolumeNodeResources {
  count?: number | undefined
}

export interface CustomResourceColumnDefinition {
  description?: string | undefined
  format?: string | undefined
  jsonPath: string
  name: string
  priority?: number | undefined
  type: string
}

export interface CustomResourceConversion {
  strategy: string
  webhook?: WebhookConversion | undefined
}

export interface CustomResourceDefinition {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec: CustomResourceDefinitionSpec
  status?: CustomResourceDefinitionStatus | undefined
}

export interface CustomResourceDefinitionCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  observedGeneration?: number | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface CustomResourceDefinitionList {
  apiVersion?: string | undefined
  items: Array<CustomResourceDefinition>
  kind?: string | undefined
  metadata: ListMeta
}

export interface CustomResourceDefinitionNames {
  categories?: Array<string> | undefined
  kind: string
  listKind?: string | undefined
  plural: string
  shortNames?: Array<string> | undefined
  singular?: string | undefined
}

export interface CustomResourceDefinitionSpec {
  conversion?: CustomResourceConversion | undefined
  group: string
  names: CustomResourceDefinitionNames
  preserveUnknownFields?: boolean | undefined
  scope: string
  versions: Array<CustomResourceDefinitionVersion>
}

export interface CustomResourceDefinitionStatus {
  acceptedNames?: CustomResourceDefinitionNames | undefined
  conditions?: Array<CustomResourceDefinitionCondition> | undefined
  observedGeneration?: number | undefined
  storedVersions?: Array<string> | undefined
}

export interface CustomResourceDefinitionVersion {
  additionalPrinterColumns?: Array<CustomResourceColumnDefinition> | undefined
  deprecated?: boolean | undefined
  deprecationWarning?: string | undefined
  name: string
  schema?: CustomResourceValidation | undefined
  selectableFields?: Array<SelectableField> | undefined
  served: boolean
  storage: boolean
  subresources?: CustomResourceSubresources | undefined
}

export interface CustomResourceSubresourceScale {
  labelSelectorPath?: string | undefined
  specReplicasPath: string
  statusReplicasPath: string
}

export type CustomResourceSubresourceStatus = Record<string, unknown>

export interface CustomResourceSubresources {
  scale?: CustomResourceSubresourceScale | undefined
  status?: CustomResourceSubresourceStatus | undefined
}

export interface CustomResourceValidation {
  openAPIV3Schema?: JSONSchemaProps | undefined
}

export interface ExternalDocumentation {
  description?: string | undefined
  url?: string | undefined
}

export type JSON = unknown

export interface JSONSchemaProps {
  $ref?: string | undefined
  $schema?: string | undefined
  additionalItems?: JSONSchemaPropsOrBool | undefined
  additionalProperties?: JSONSchemaPropsOrBool | undefined
  allOf?: Array<JSONSchemaProps> | undefined
  anyOf?: Array<JSONSchemaProps> | undefined
  default?: JSON | undefined
  definitions?: Record<string, JSONSchemaProps> | undefined
  dependencies?: Record<string, JSONSchemaPropsOrStringArray> | undefined
  description?: string | undefined
  enum?: Array<JSON> | undefined
  example?: JSON | undefined
  exclusiveMaximum?: boolean | undefined
  exclusiveMinimum?: boolean | undefined
  externalDocs?: ExternalDocumentation | undefined
  format?: string | undefined
  id?: string | undefined
  items?: JSONSchemaPropsOrArray | undefined
  maxItems?: number | undefined
  maxLength?: number | undefined
  maxProperties?: number | undefined
  maximum?: number | undefined
  minItems?: number | undefined
  minLength?: number | undefined
  minProperties?: number | undefined
  minimum?: number | undefined
  multipleOf?: number | undefined
  not?: JSONSchemaProps | undefined
  nullable?: boolean | undefined
  oneOf?: Array<JSONSchemaProps> | undefined
  pattern?: string | undefined
  patternProperties?: Record<string, JSONSchemaProps> | undefined
  properties?: Record<string, JSONSchemaProps> | undefined
  required?: Array<string> | undefined
  title?: string | undefined
  type?: string | undefined
  uniqueItems?: boolean | undefined
  "x-kubernetes-embedded-resource"?: boolean | undefined
  "x-kubernetes-int-or-string"?: boolean | undefined
  "x-kubernetes-list-map-keys"?: Array<string> | undefined
  "x-kubernetes-list-type"?: string | undefined
  "x-kubernetes-map-type"?: string | undefined
  "x-kubernetes-preserve-unknown-fields"?: boolean | undefined
  "x-kubernetes-validations"?: Array<ValidationRule> | undefined
}

export type JSONSchemaPropsOrArray = unknown

export type JSONSchemaPropsOrBool = unknown

export type JSONSchemaPropsOrStringArray = unknown

export interface SelectableField {
  jsonPath: string
}

export interface ApiextensionsServiceReference {
  name: string
  namespace: string
  path?: string | undefined
  port?: number | undefined
}

export interface ValidationRule {
  fieldPath?: string | undefined
  message?: string | undefined
  messageExpression?: string | undefined
  optionalOldSelf?: boolean | undefined
  reason?: string | undefined
  rule: string
}

export interface ApiextensionsWebhookClientConfig {
  caBundle?: string | undefined
  service?: ApiextensionsServiceReference | undefined
  url?: string | undefined
}

export interface WebhookConversion {
  clientConfig?: ApiextensionsWebhookClientConfig | undefined
  conversionReviewVersions: Array<string>
}

export type Quantity = string | number

export interface APIGroup {
  apiVersion?: string | undefined
  kind?: string | undefined
  name: string
  preferredVersion?: GroupVersionForDiscovery | undefined
  serverAddressByClientCIDRs?: Array<ServerAddressByClientCIDR> | undefined
  versions: Array<GroupVersionForDiscovery>
}

export interface APIGroupList {
  apiVersion?: string | undefined
  groups: Array<APIGroup>
  kind?: string | undefined
}

export interface APIResource {
  categories?: Array<string> | undefined
  group?: string | undefined
  kind: string
  name: string
  namespaced: boolean
  shortNames?: Array<string> | undefined
  singularName: string
  storageVersionHash?: string | undefined
  verbs: Array<string>
  version?: string | undefined
}

export interface APIResourceList {
  apiVersion?: string | undefined
  groupVersion: string
  kind?: string | undefined
  resources: Array<APIResource>
}

export interface APIVersions {
  apiVersion?: string | undefined
  kind?: string | undefined
  serverAddressByClientCIDRs: Array<ServerAddressByClientCIDR>
  versions: Array<string>
}

export interface Condition {
  lastTransitionTime: Time
  message: string
  observedGeneration?: number | undefined
  reason: string
  status: string
  type: string
}

export interface DeleteOptions {
  apiVersion?: string | undefined
  dryRun?: Array<string> | undefined
  gracePeriodSeconds?: number | undefined
  ignoreStoreReadErrorWithClusterBreakingPotential?: boolean | undefined
  kind?: string | undefined
  orphanDependents?: boolean | undefined
  preconditions?: Preconditions | undefined
  propagationPolicy?: string | undefined
}

export interface FieldSelectorRequirement {
  key: string
  operator: string
  values?: Array<string> | undefined
}

export type FieldsV1 = Record<string, unknown>

export interface GroupVersionForDiscovery {
  groupVersion: string
  version: string
}

export interface LabelSelector {
  matchExpressions?: Array<LabelSelectorRequirement> | undefined
  matchLabels?: Record<string, string> | undefined
}

export interface LabelSelectorRequirement {
  key: string
  operator: string
  values?: Array<string> | undefined
}

export interface ListMeta {
  continue?: string | undefined
  remainingItemCount?: number | undefined
  resourceVersion?: string | undefined
  selfLink?: string | undefined
}

export interface ManagedFieldsEntry {
  apiVersion?: string | undefined
  fieldsType?: string | undefined
  fieldsV1?: FieldsV1 | undefined
  manager?: string | undefined
  operation?: string | undefined
  subresource?: string | undefined
  time?: Time | undefined
}

export type MicroTime = string

export interface ObjectMeta {
  annotations?: Record<string, string> | undefined
  creationTimestamp?: Time | undefined
  deletionGracePeriodSeconds?: number | undefined
  deletionTimestamp?: Time | undefined
  finalizers?: Array<string> | undefined
  generateName?: string | undefined
  generation?: number | undefined
  labels?: Record<string, string> | undefined
  managedFields?: Array<ManagedFieldsEntry> | undefined
  name?: string | undefined
  namespace?: string | undefined
  ownerReferences?: Array<OwnerReference> | undefined
  resourceVersion?: string | undefined
  selfLink?: string | undefined
  uid?: string | undefined
}

export interface OwnerReference {
  apiVersion: string
  blockOwnerDeletion?: boolean | undefined
  controller?: boolean | undefined
  kind: string
  name: string
  uid: string
}

export type Patch = Record<string, unknown>

export interface Preconditions {
  resourceVersion?: string | undefined
  uid?: string | undefined
}

export interface ServerAddressByClientCIDR {
  clientCIDR: string
  serverAddress: string
}

export interface Status {
  apiVersion?: string | undefined
  code?: number | undefined
  details?: StatusDetails | undefined
  kind?: string | undefined
  message?: string | undefined
  metadata: ListMeta
  reason?: string | undefined
  status?: string | undefined
}

export interface StatusCause {
  field?: string | undefined
  message?: string | undefined
  reason?: string | undefined
}

export interface StatusDetails {
  causes?: Array<StatusCause> | undefined
  group?: string | undefined
  kind?: string | undefined
  name?: string | undefined
  retryAfterSeconds?: number | undefined
  uid?: string | undefined
}

export type Time = string

export interface WatchEvent {
  object: RawExtension
  type: string
}

export type RawExtension = Record<string, unknown>

export type IntOrString = number | string

export interface APIService {
  apiVersion?: string | undefined
  kind?: string | undefined
  metadata: ObjectMeta
  spec?: APIServiceSpec | undefined
  status?: APIServiceStatus | undefined
}

export interface APIServiceCondition {
  lastTransitionTime?: Time | undefined
  message?: string | undefined
  reason?: string | undefined
  status: string
  type: string
}

export interface APIServiceList {
  apiVersion?: string | undefined
  items: Array<APIService>
  kind?: string | undefined
  metadata: ListMeta
}

export interface APIServiceSpec {
  caBundle?: string | undefined
  group?: string | undefined
  groupPriorityMinimum: number
  insecureSkipTLSVerify?: boolean | undefined
  service?: ApiregistrationServiceReference | undefined
  version?: string | undefined
  versionPriority: number
}

export interface APIServiceStatus {
  conditions?: Array<APIServiceCondition> | undefined
}

export interface ApiregistrationServiceReference {
  name?: string | undefined
  namespace?: string | undefined
  port?: number | undefined
}
