/** What the control plane says of itself from the start: the APIs it serves, its range of addresses, flow control. */
import { localAvailable } from '../../core/kinds/api-services.ts'
import { kindTable } from '../../core/kinds/table.ts'
import type { FlowcontrolSubject, FlowSchemaSpec, PriorityLevelConfigurationSpec } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import { timestamp } from '../../core/ports.ts'

/** One object that a cluster starts with, without what its creation adds. */
export interface SystemObject {
  readonly resource: string
  readonly kind: { readonly apiVersion: string; readonly kind: string }
  readonly metadata: KubeObject['metadata']
  readonly fields: Record<string, unknown>
}

/** `serviceRange`: a CIDR; `now` in milliseconds. */
export function systemObjects(serviceRange: string, now: number): readonly SystemObject[] {
  return [...apiServices(now), serviceRangeObject(serviceRange, now), ...priorityLevels(), ...flowSchemas(now)]
}

/** The order of groups that clients see: k8s.io/kubernetes/pkg/controlplane/apiserver.DefaultGenericAPIServicePriorities. */
const GROUP_PRIORITIES: Readonly<Record<string, number>> = {
  '': 18000,
  apps: 17800,
  'events.k8s.io': 17750,
  'authentication.k8s.io': 17700,
  'authorization.k8s.io': 17600,
  autoscaling: 17500,
  batch: 17400,
  'certificates.k8s.io': 17300,
  'networking.k8s.io': 17200,
  policy: 17100,
  'rbac.authorization.k8s.io': 17000,
  'storage.k8s.io': 16800,
  'admissionregistration.k8s.io': 16700,
  'apiextensions.k8s.io': 16700,
  'scheduling.k8s.io': 16600,
  'coordination.k8s.io': 16500,
  'node.k8s.io': 16300,
  'discovery.k8s.io': 16200,
  'resource.k8s.io': 16200,
  'flowcontrol.apiserver.k8s.io': 16100
}
/** Where it is not 15. */
const VERSION_PRIORITIES: Readonly<Record<string, number>> = {
  'v1.': 1,
  'v2.autoscaling': 30,
  'v1.flowcontrol.apiserver.k8s.io': 21,
  'v1.resource.k8s.io': 21
}

function apiServices(now: number): SystemObject[] {
  return kindTable.groups.flatMap(({ name: group, versions }) =>
    versions.map((version) => {
      const name = `${version}.${group}`
      const priorities = {
        groupPriorityMinimum: GROUP_PRIORITIES[group] ?? 1000,
        versionPriority: VERSION_PRIORITIES[name] ?? 15
      }
      return {
        resource: 'apiregistration.k8s.io/apiservices',
        kind: { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService' },
        metadata: { name, labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
        fields: {
          spec: { ...(group === '' ? {} : { group }), version, ...priorities },
          status: { conditions: [localAvailable(now)] }
        }
      }
    })
  )
}

function serviceRangeObject(range: string, now: number): SystemObject {
  const condition = {
    type: 'Ready',
    status: 'True',
    lastTransitionTime: timestamp(now),
    reason: '',
    message: 'Kubernetes Service CIDR is ready'
  }
  return {
    resource: 'networking.k8s.io/servicecidrs',
    kind: { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR' },
    metadata: { name: 'kubernetes', finalizers: ['networking.k8s.io/service-cidr-finalizer'] },
    fields: { spec: { cidrs: [range] }, status: { conditions: [condition] } }
  }
}

const FLOW_CONTROL = 'flowcontrol.apiserver.k8s.io'
const AUTOUPDATE = { 'apf.kubernetes.io/autoupdate-spec': 'true' }

/** Shares, lendable percent, and queues with hand size; without queues it rejects. */
const LEVELS: readonly (readonly [name: string, shares: number, lendable: number, queues?: number, hand?: number])[] = [
  ['catch-all', 5, 0],
  ['global-default', 20, 50, 128, 6],
  ['leader-election', 10, 0, 16, 4],
  ['node-high', 40, 25, 64, 6],
  ['system', 30, 33, 64, 6],
  ['workload-high', 40, 50, 128, 6],
  ['workload-low', 100, 90, 128, 6]
]

function priorityLevels(): SystemObject[] {
  const exempt = { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } } as const
  const limited = LEVELS.map(([name, shares, lendable, queues, hand]) => {
    const queuing =
      queues === undefined || hand === undefined ? undefined : { queues, handSize: hand, queueLengthLimit: 50 }
    return flowObject('PriorityLevelConfiguration', 'prioritylevelconfigurations', {
      name,
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: shares,
          limitResponse: queuing === undefined ? { type: 'Reject' } : { type: 'Queue', queuing },
          lendablePercent: lendable
        }
      },
      status: {}
    })
  })
  const first = flowObject('PriorityLevelConfiguration', 'prioritylevelconfigurations', {
    name: 'exempt',
    spec: exempt,
    status: {}
  })
  return [first, ...limited]
}

function flowObject(
  kind: string,
  resource: string,
  {
    name,
    spec,
    status
  }: { name: string; spec: FlowSchemaSpec | PriorityLevelConfigurationSpec; status: Record<string, unknown> }
): SystemObject {
  return {
    resource: `${FLOW_CONTROL}/${resource}`,
    kind: { apiVersion: `${FLOW_CONTROL}/v1`, kind },
    metadata: { name, generation: 1, annotations: { ...AUTOUPDATE } },
    fields: { spec, status }
  }
}

const groups = (...names: string[]): FlowcontrolSubject[] =>
  names.map((name) => ({ kind: 'Group', group: { name: `system:${name}` } }))
const users = (...names: string[]): FlowcontrolSubject[] =>
  names.map((name) => ({ kind: 'User', user: { name: `system:${name}` } }))
const SYSTEM_ACCOUNTS: FlowcontrolSubject = {
  kind: 'ServiceAccount',
  serviceAccount: { namespace: 'kube-system', name: '*' }
}
type Rule = Omit<NonNullable<FlowSchemaSpec['rules']>[number], 'subjects'>
const EVERYTHING: Rule = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }]
}
const LEASES = { apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] }
const PROBES: Rule = { nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] }
const ELECTION: Rule = { resourceRules: [{ verbs: ['get', 'create', 'update'], ...LEASES }] }
const NODE_HEALTH: Rule = {
  resourceRules: [
    { verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true, namespaces: ['*'] },
    { verbs: ['*'], ...LEASES }
  ]
}

interface Flow {
  readonly level: string
  readonly precedence: number
  readonly by?: 'ByUser' | 'ByNamespace'
  readonly subjects: FlowcontrolSubject[]
  readonly rule: Rule
}
const ANYONE = groups('unauthenticated', 'authenticated')
const FLOWS: Readonly<Record<string, Flow>> = {
  exempt: { level: 'exempt', precedence: 1, subjects: groups('masters'), rule: EVERYTHING },
  probes: { level: 'exempt', precedence: 2, subjects: ANYONE, rule: PROBES },
  'system-leader-election': {
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    subjects: [...users('kube-controller-manager', 'kube-scheduler'), SYSTEM_ACCOUNTS],
    rule: ELECTION
  },
  'system-node-high': {
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    subjects: groups('nodes'),
    rule: NODE_HEALTH
  },
  'system-nodes': { level: 'system', precedence: 500, by: 'ByUser', subjects: groups('nodes'), rule: EVERYTHING },
  'kube-controller-manager': {
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: users('kube-controller-manager'),
    rule: EVERYTHING
  },
  'kube-scheduler': {
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: users('kube-scheduler'),
    rule: EVERYTHING
  },
  'kube-system-service-accounts': {
    level: 'workload-high',
    precedence: 900,
    by: 'ByNamespace',
    subjects: [SYSTEM_ACCOUNTS],
    rule: EVERYTHING
  },
  'service-accounts': {
    level: 'workload-low',
    precedence: 9000,
    by: 'ByUser',
    subjects: groups('serviceaccounts'),
    rule: EVERYTHING
  },
  'global-default': { level: 'global-default', precedence: 9900, by: 'ByUser', subjects: ANYONE, rule: EVERYTHING },
  'catch-all': { level: 'catch-all', precedence: 10_000, by: 'ByUser', subjects: ANYONE, rule: EVERYTHING }
}

function flowSchemas(now: number): SystemObject[] {
  return Object.entries(FLOWS).map(([name, { level, precedence, by, subjects, rule }]) => {
    const condition = {
      type: 'Dangling',
      status: 'False',
      lastTransitionTime: timestamp(now),
      reason: 'Found',
      message: `This FlowSchema references the PriorityLevelConfiguration object named "${level}" and it exists`
    }
    const spec = {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(by === undefined ? {} : { distinguisherMethod: { type: by } }),
      rules: [{ subjects, ...rule }]
    }
    return flowObject('FlowSchema', 'flowschemas', { name, spec, status: { conditions: [condition] } })
  })
}
