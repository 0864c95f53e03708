import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bundledTool } from '../../cli/kubectl.ts'
import { execute, type KubectlRunner } from './cluster.ts'

/** A command as one would type it, what it prints (both outputs), and its exit code where that is not 0. */
type Line = readonly [command: string, printed: string | RegExp, code?: number]

const NAMESPACE = 'team'
const WEB = `
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, labels: {app: web}}
data: {a: "1", b: two}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: busybox:1
        env: [{name: A, value: b}]
        ports: [{containerPort: 8080}]
`
const MORE = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'svc' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], clusterIP: 'None' }
})
const LIST = `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: l1}, data: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: l2}, stringData: {a: b}}
`

const CLUSTER_WIDE = 'Warning: deleting cluster-scoped resources, not scoped to the provided namespace'

export interface ApiCluster extends KubectlRunner {
  stop(): Promise<void>
}

export interface SuiteOptions {
  /** What a start may take. */
  readonly startMs?: number
  /** How many times longer than in one process each test may take. */
  readonly slower?: number
  /** Commands to leave out: whoever says so gives the reason. */
  readonly without?: RegExp
}

/**
 * Real kubectl 1.35 and helm 4 against the API alone: what each command prints and how it ends, as on Kubernetes. The
 * same on any cluster that has no node.
 */
export function kubectlApiSuite(start: () => Promise<ApiCluster>, options: SuiteOptions = {}): void {
  const { startMs = 30_000, slower = 1, without = /$^/ } = options
  let cluster: ApiCluster

  beforeAll(async () => {
    cluster = await start()
    mkdirSync(join(cluster.dir, 'web'))
    cluster.writeFile('web/web.yaml', WEB)
    cluster.writeFile('web/more.json', MORE)
    cluster.writeFile('list.yaml', LIST)
    cluster.writeFile('wrong-list.yaml', LIST.replace(' data:', ' dota:'))
    await cluster.k('create', 'namespace', NAMESPACE)
  }, startMs)
  afterAll(async () => await cluster?.stop(), startMs)

  /** Words between blanks; single quotes keep blanks. FILE/x is the file x of the cluster's folder. */
  function words(command: string): string[] {
    const found = command.match(/(?:[^\s']|'[^']*')+/g) ?? []
    return found.map((word) => word.replaceAll("'", '').replace('FILE/', `${cluster.dir}/`))
  }

  /** All in one namespace, one after the other. */
  async function follow(lines: readonly Line[]): Promise<void> {
    const seen: object[] = []
    const expected: object[] = []
    for (const [command, printed, code = 0] of lines) {
      if (without.test(command)) continue
      const outcome = await cluster.kubectl(['-n', NAMESPACE, ...words(command)])
      const text = `${outcome.stdout}${outcome.stderr}`.replaceAll(`${cluster.dir}/`, 'FILE/').trimEnd()
      seen.push({ command, printed: text, code: outcome.code })
      expected.push({ command, printed: typeof printed === 'string' ? printed : expect.stringMatching(printed), code })
    }
    expect(seen).toEqual(expected)
  }

  test(
    'create and delete lists and folders',
    async () => {
      await follow([
        ['create -f FILE/list.yaml', 'configmap/l1 created\nsecret/l2 created'],
        [
          'create -f FILE/list.yaml',
          /^Error from server \(AlreadyExists\): error when creating "FILE\/list.yaml": configmaps "l1" already exists\nError.* secrets "l2" already exists$/,
          1
        ],
        [
          'create -f FILE/wrong-list.yaml',
          /ValidationError\(ConfigMap\): unknown field "dota" in io\.k8s\.api\.core\.v1/,
          1
        ],
        [
          'delete -f FILE/list.yaml',
          'configmap "l1" deleted from team namespace\nsecret "l2" deleted from team namespace'
        ],
        ['create -f FILE/web', 'service/svc created\nconfigmap/conf created\ndeployment.apps/web created'],
        ['replace -f FILE/web/more.json', 'service/svc replaced'],
        ['replace --force -f FILE/web/more.json', 'service "svc" deleted from team namespace\nservice/svc replaced'],
        [
          'explain service.spec.ports -o plaintext-openapiv2',
          /^KIND: +Service\n[\s\S]*RESOURCE: ports <\[\]Object>[\s\S]*nodePort\t<integer>/
        ]
      ])
    },
    30_000 * slower
  )

  test(
    'apply, prune and diff',
    async () => {
      const made = (name: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: ${name}, labels: {set: pruned}}
---`
      cluster.writeFile('both.yaml', `${made('one')}${made('two')}`)
      cluster.writeFile('one.yaml', made('one'))
      const prune = '--prune -l set=pruned --prune-allowlist=core/v1/ConfigMap'
      await follow([
        [`apply -f FILE/both.yaml ${prune}`, 'configmap/one created\nconfigmap/two created'],
        [`apply -f FILE/one.yaml ${prune}`, 'configmap/one unchanged\nconfigmap/two pruned'],
        ['diff -f FILE/one.yaml', ''],
        ['apply view-last-applied configmap/one -o json', /"labels": \{\n +"set": "pruned"/],
        [
          'apply -f FILE/web',
          /^service\/svc configured\nconfigmap\/conf configured\ndeployment\.apps\/web configured\n(Warning: resource \S+ is missing the kubectl\.kubernetes\.io\/last-applied-configuration annotation [^\n]+\n?){3}$/
        ],
        ['apply -f FILE/web', 'service/svc unchanged\nconfigmap/conf unchanged\ndeployment.apps/web unchanged'],
        ['apply -f FILE/one.yaml --dry-run=server', 'configmap/one unchanged (server dry run)']
      ])
    },
    30_000 * slower
  )

  test(
    'patch in every way',
    async () => {
      await follow([
        [`patch configmap conf -p '{"data":{"x":"y"}}'`, 'configmap/conf patched'],
        [`patch configmap conf -p '{"data":{"x":"y"}}'`, 'configmap/conf patched (no change)'],
        [`patch configmap conf --type=merge -p '{"data":{"x":null}}'`, 'configmap/conf patched'],
        [
          `patch configmap conf --type=json -p '[{"op":"test","path":"/data/a","value":"1"}]'`,
          'configmap/conf patched (no change)'
        ],
        [
          `patch configmap conf --type=json -p '[{"op":"remove","path":"/data/none"}]'`,
          /^The request is invalid: the server rejected our request due to an error in our request/,
          1
        ],
        [`patch configmap conf -p '{"bogus":1}'`, 'configmap/conf patched (no change)\nWarning: unknown field "bogus"'],
        [
          `patch deployment web --subresource=scale --type=merge -p '{"spec":{"replicas":3}}'`,
          'scale.autoscaling/web patched'
        ],
        ['get deployment web --subresource=scale', /^NAME +DESIRED +AVAILABLE +AGE\nweb +3 +\d +\d+s$/],
        [
          `patch deployment web -p '{"spec":{"selector":{"matchLabels":{"a":"b"}}}}'`,
          /^The Deployment "web" is invalid: \n?\* spec\.template\.metadata\.labels: Invalid value: .*\n\* spec\.selector: Invalid value: .*: field is immutable$/,
          1
        ]
      ])
    },
    30_000 * slower
  )

  test(
    'run, expose and set',
    async () => {
      await follow([
        ['run one --image=busybox:1 --restart=Never --port=80 --expose', 'service/one created\npod/one created'],
        ['expose deployment web --name=web --type=NodePort', 'service/web exposed'],
        ['expose deployment web --name=web', 'Error from server (AlreadyExists): services "web" already exists', 1],
        ['get service web -o jsonpath={.spec.ports[0].targetPort}', '8080'],
        ['exec one -- ls', 'Error from server (BadRequest): pod one does not have a host assigned', 1],
        ['exec one -c none -- ls', /^Error from server \(BadRequest\): container none is not valid for pod one$/, 1],
        ['exec none -- ls', 'Error from server (NotFound): pods "none" not found', 1],
        ['logs one', ''],
        ['set image deployment/web web=busybox:2', 'deployment.apps/web image updated'],
        ['set image deployment/web none=busybox:2', 'error: unable to find container named "none"', 1],
        [
          'set env deployment/web A- --from=configmap/conf --keys=a --prefix=X_',
          'deployment.apps/web env updated\nWarning: key a transferred to A'
        ],
        ['set env deployment/web --list --resolve', '# Deployment web, container web\nX_A=1'],
        [
          'set resources deployment/web --limits=cpu=200m --requests=cpu=20m',
          'deployment.apps/web resource requirements updated'
        ],
        ['set selector service/web app=other', 'service/web selector updated'],
        ['set serviceaccount deployment/web default', 'deployment.apps/web serviceaccount updated']
      ])
    },
    30_000 * slower
  )

  test(
    'label, annotate and scale several',
    async () => {
      await follow([
        ['label configmap conf x=y', 'configmap/conf labeled'],
        ['label configmap conf x=z', "error: 'x' already has a value (y), and --overwrite is false", 1],
        ['label configmap conf x=z --overwrite', 'configmap/conf labeled'],
        ['label configmap conf x- none-', 'label "none" not found.\nconfigmap/conf unlabeled'],
        [
          `label configmap conf 'bad key=1'`,
          /^The ConfigMap "conf" is invalid: metadata\.labels: Invalid value: "bad key": name part must consist of/,
          1
        ],
        ['annotate services --all k=v', /^service\/one annotated\nservice\/svc annotated\nservice\/web annotated$/],
        ['create deployment idle --image=x --replicas=0', 'deployment.apps/idle created'],
        [
          'scale deployment/web deployment/idle --replicas=1',
          'deployment.apps/web scaled\ndeployment.apps/idle scaled'
        ],
        ['scale deployment web --replicas=4 --current-replicas=7', 'error: Expected replicas to be 7, was 1', 1],
        [
          'scale configmap conf --replicas=1',
          'Error from server (NotFound): the server could not find the requested resource',
          1
        ]
      ])
    },
    30_000 * slower
  )

  test(
    'get in every form',
    async () => {
      await follow([
        ['get deployment web -o custom-columns=N:.metadata.name,R:.spec.replicas', 'N     R\nweb   1'],
        ['get services --sort-by=.spec.ports[0].targetPort -o name', 'service/one\nservice/svc\nservice/web'],
        ['get configmap conf --show-labels --no-headers', /^conf +2 +\d+s +app=web$/],
        ['get deployments -L app', /^NAME .* AGE +APP\nidle .* idle\nweb .* web$/],
        ['get configmaps --field-selector metadata.name=conf -o name', 'configmap/conf'],
        [
          'get configmaps --field-selector foo=bar',
          'Error from server (BadRequest): Unable to find "/v1, Resource=configmaps" that match label selector "", field selector "foo=bar": "foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
          1
        ],
        ['get services --chunk-size=1 -o name', 'service/one\nservice/svc\nservice/web'],
        ['get configmap conf -o jsonpath={.data}', '{"a":"1","b":"two"}'],
        ['get configmaps --server-print=false --field-selector metadata.name=conf', /^NAME +AGE\nconf +\d+s$/],
        [
          'get deployment/web service/none',
          /^NAME [\s\S]*Error from server \(NotFound\): services "none" not found$/,
          1
        ],
        ['get deployment/none --ignore-not-found', ''],
        ['get nothing', 'error: the server doesn\'t have a resource type "nothing"', 1],
        [
          'get --raw /apis/apps/v1/namespaces/team/deployments/none',
          'Error from server (NotFound): deployments.apps "none" not found',
          1
        ],
        ['get all -l app=none', 'No resources found in team namespace.']
      ])
    },
    30_000 * slower
  )

  test(
    'wait, and watch for a while',
    async () => {
      await follow([
        ['wait --for=jsonpath={.data.a}=1 configmap/conf --timeout=5s', 'configmap/conf condition met'],
        ['wait --for=create configmap/conf --timeout=5s', 'configmap/conf condition met'],
        [
          'wait --for=condition=Progressing deployment --all --timeout=5s',
          'deployment.apps/idle condition met\ndeployment.apps/web condition met'
        ],
        [
          'wait --for=delete configmap/conf --timeout=500ms',
          'error: timed out waiting for the condition on configmaps/conf',
          1
        ],
        [
          'wait --for=condition=Available deployment/web --timeout=500ms',
          'error: timed out waiting for the condition on deployments/web',
          1
        ],
        ['get configmap conf -o name --watch --request-timeout=1s', /^configmap\/conf/],
        ['get configmaps --output-watch-events --watch --request-timeout=1s', /^EVENT +NAME +DATA +AGE\nADDED +conf/]
      ])
    },
    30_000 * slower
  )

  test(
    'rollouts without a node',
    async () => {
      await follow([
        [
          'rollout status deployment/web --timeout=1s',
          /^Waiting for deployment "web" rollout to finish: .*\nerror: timed out waiting for the condition$/,
          1
        ],
        [
          'rollout history deployment/web --revision=1',
          /^deployment\.apps\/web with revision #1\nPod Template:\n[\s\S]*Image:\tbusybox:1/
        ],
        ['rollout history deployment/web --revision=99', 'error: unable to find the specified revision', 1],
        ['rollout undo deployment/web --to-revision=1', 'deployment.apps/web rolled back'],
        ['rollout undo deployment/web --to-revision=99', 'error: unable to find specified revision 99 in history', 1],
        ['rollout pause deployment/web', 'deployment.apps/web paused'],
        [
          'rollout undo deployment/web',
          "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again",
          1
        ],
        [
          'rollout restart deployment/web',
          'error: deployments.apps "web" can\'t restart paused deployment (run rollout resume first)',
          1
        ],
        ['rollout resume deployment/web', 'deployment.apps/web resumed'],
        ['get deployment web -o jsonpath={.spec.template.spec.containers[0].image}', 'busybox:1']
      ])
    },
    30_000 * slower
  )

  test(
    'nodes: taint, cordon and drain',
    async () => {
      cluster.writeFile('node.yaml', 'apiVersion: v1\nkind: Node\nmetadata: {name: far, labels: {zone: a}}\n')
      await follow([
        ['create -f FILE/node.yaml', 'node/far created'],
        ['taint node far k=v:NoSchedule', 'node/far tainted'],
        ['taint node far k=v:NoSchedule', /^error: node far already has k taint\(s\) with same effect\(s\)/, 1],
        ['taint node far k=w:NoSchedule --overwrite', 'node/far modified'],
        ['taint node -l zone=a k-', 'node/far untainted'],
        ['cordon far', 'node/far cordoned'],
        ['cordon far', 'node/far already cordoned'],
        ['get node far', /^NAME .*\nfar +Unknown,SchedulingDisabled +<none> +\d+s/],
        ['drain far', 'node/far already cordoned\nnode/far drained'],
        ['uncordon far', 'node/far uncordoned'],
        ['describe node far', /^Name: +far\n[\s\S]*Taints: [\s\S]*Non-terminated Pods: +\(0 in total\)/],
        ['delete node far', `node "far" deleted\n${CLUSTER_WIDE}`]
      ])
    },
    30_000 * slower
  )

  test(
    'create of what has a command of its own',
    async () => {
      cluster.writeFile('env', 'A=1\nB=2\n')
      await follow([
        ['create role r --verb=get,list --resource=pods,deployments.apps', 'role.rbac.authorization.k8s.io/r created'],
        ['create role r2 --verb=get --resource=nothing', 'the server doesn\'t have a resource type "nothing"', 1],
        [
          'create rolebinding r --role=r --user=u --serviceaccount=team:robot',
          'rolebinding.rbac.authorization.k8s.io/r created'
        ],
        [
          'create clusterrole c --verb=get --resource=nodes --non-resource-url=/a',
          'clusterrole.rbac.authorization.k8s.io/c created'
        ],
        ['create clusterrole a --aggregation-rule=x=y', 'clusterrole.rbac.authorization.k8s.io/a created'],
        [
          'create clusterrolebinding c --clusterrole=c --group=g',
          'clusterrolebinding.rbac.authorization.k8s.io/c created'
        ],
        ['create serviceaccount robot', 'serviceaccount/robot created'],
        [
          'create secret generic s --from-literal=a=b --from-env-file=FILE/env',
          /^error: from-env-file cannot be combined/,
          1
        ],
        ['create secret generic s --from-env-file=FILE/env', 'secret/s created'],
        [
          'create secret docker-registry d --docker-username=u --docker-password=p --docker-server=r',
          'secret/d created'
        ],
        [
          'create secret generic t --type=kubernetes.io/tls --from-literal=a=b',
          'error: failed to create secret Secret "t" is invalid: [data[tls.crt]: Required value, data[tls.key]: Required value]',
          1
        ],
        ['create configmap files --from-file=FILE/env --from-literal=z=1', 'configmap/files created'],
        ['create configmap bad --from-literal=a/b=1', /^error: "a\/b" is not a valid key name for a ConfigMap/, 1],
        ['create priorityclass p --value=7 --preemption-policy=Never', 'priorityclass.scheduling.k8s.io/p created'],
        [
          'create priorityclass p2 --value=2000000000',
          'error: failed to create priorityclass: PriorityClass.scheduling.k8s.io "p2" is invalid: value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
          1
        ],
        ['create service nodeport np --tcp=80:8080 --node-port=31999', 'service/np created'],
        [
          'create service nodeport np2 --tcp=80 --node-port=31999',
          'error: failed to create NodePort service: Service "np2" is invalid: spec.ports[0].nodePort: Invalid value: 31999: provided port is already allocated',
          1
        ],
        ['create service externalname en --external-name=a.b', 'service/en created'],
        ['create token robot --duration=10m -o jsonpath={.kind}', 'TokenRequest'],
        [
          'create token robot --duration=1m',
          /spec\.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes/,
          1
        ],
        ['create quota q --hard=pods=300', 'resourcequota/q created'],
        ['create configmap x -n none', 'error: failed to create configmap: namespaces "none" not found', 1]
      ])
    },
    60_000 * slower
  )

  test(
    'describe of each kind',
    async () => {
      const kinds = [
        ['namespace/team', /^Name: +team\n[\s\S]*Status: +Active/],
        ['serviceaccount/robot', /^Name: +robot\n/],
        ['secret/s', /Data\n====\nA: +1 bytes?\n/],
        ['configmap/conf', /Data\n====\na:\n----\n1\n/],
        ['service/np', /NodePort: +<unset> +31999\/TCP|NodePort: +80-8080 +31999\/TCP/],
        ['pod/one', /Status: +Pending\n[\s\S]*QoS Class: +BestEffort/],
        ['deployment/web', /NewReplicaSet: +web-\S+/],
        ['replicaset -l app=web', /Controlled By: +Deployment\/web/],
        ['role/r', /deployments\.apps +\[\] +\[\] +\[get list\]/],
        ['rolebinding/r', /ServiceAccount +robot +team/],
        ['priorityclass/p', /PreemptionPolicy: +Never/],
        ['endpointslice -l kubernetes.io/service-name=svc', /^Name: +svc-\S+\n/]
      ] as const
      await follow(kinds.map(([what, printed]) => [`describe ${what}`, printed]))
    },
    30_000 * slower
  )

  test(
    'auth: can-i, reconcile and what others may not',
    async () => {
      const roles = (verbs: string) => `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rec, namespace: team}
rules: [{apiGroups: [""], resources: [pods], verbs: [${verbs}]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rec, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rec}
subjects: [{kind: User, name: jane}]
`
      cluster.writeFile('get.yaml', roles('get'))
      cluster.writeFile('list.yaml', roles('get, list'))
      await follow([
        [
          'auth reconcile -f FILE/get.yaml',
          /^role\.rbac\.authorization\.k8s\.io\/rec reconciled\nrolebinding\.rbac\.authorization\.k8s\.io\/rec reconciled\n/
        ],
        ['auth can-i list pods --as=jane', 'no', 1],
        ['auth reconcile -f FILE/list.yaml', /^role\.rbac\.authorization\.k8s\.io\/rec reconciled/],
        ['auth can-i list pods --as=jane', 'yes'],
        ['auth can-i get pods --subresource=log --as=jane', 'no', 1],
        ['auth can-i get /a --as=x --as-group=g', 'yes'],
        ['auth can-i --list --as=jane', /pods +\[\] +\[\] +\[get list\]/],
        ['auth whoami --as=jane -o jsonpath={.status.userInfo.username}', 'jane'],
        [
          'delete configmap conf --as=jane',
          'Error from server (Forbidden): configmaps "conf" is forbidden: User "jane" cannot delete resource "configmaps" in API group "" in the namespace "team"',
          1
        ],
        [
          'delete namespace default',
          `${CLUSTER_WIDE}\nError from server (Forbidden): namespaces "default" is forbidden: this namespace may not be deleted`,
          1
        ],
        [
          'delete priorityclass system-node-critical',
          `${CLUSTER_WIDE}\nError from server (Forbidden): priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted`,
          1
        ]
      ])
    },
    30_000 * slower
  )

  test(
    'kustomize, discovery and proxy',
    async () => {
      mkdirSync(join(cluster.dir, 'base'))
      cluster.writeFile(
        'base/kustomization.yaml',
        'resources: [conf.yaml]\nnamePrefix: pre-\nlabels: [{pairs: {team: t}}]\n'
      )
      cluster.writeFile('base/conf.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\n')
      await follow([
        ['apply -k FILE/base', 'configmap/pre-conf created'],
        ['get configmap -l team=t -o name', 'configmap/pre-conf'],
        ['delete -k FILE/base', 'configmap "pre-conf" deleted from team namespace'],
        [
          'api-resources --api-group=rbac.authorization.k8s.io -o name --sort-by=name',
          /^clusterrolebindings\.rbac\.authorization\.k8s\.io\n/
        ],
        [
          'api-resources --verbs=list --namespaced=false -o wide',
          /namespaces +ns +v1 +false +Namespace +create,delete,get,list,patch,update,watch/
        ],
        [
          'explain deployment --api-version=apps/v2',
          'error: couldn\'t find resource for "apps/v2, Resource=deployments"',
          1
        ],
        ['explain pod.spec.none', 'KIND:       Pod\nVERSION:    v1\n\nerror: field "none" does not exist', 1],
        ['top node', 'error: Metrics API not available', 1],
        ['autoscale deployment web --min=1 --max=3', 'horizontalpodautoscaler.autoscaling/web autoscaled']
      ])
    },
    30_000 * slower
  )

  test(
    'delete with every cascade',
    async () => {
      await follow([
        [
          'delete configmap files none',
          'configmap "files" deleted from team namespace\nError from server (NotFound): configmaps "none" not found',
          1
        ],
        ['delete configmap none --ignore-not-found', ''],
        ['delete secret s --dry-run=server', 'secret "s" deleted from team namespace (server dry run)'],
        [
          'delete pod one --grace-period=0 --force',
          /^pod "one" force deleted from team namespace\nWarning: Immediate deletion does not wait/
        ],
        ['delete deployment web --cascade=orphan', 'deployment.apps "web" deleted from team namespace'],
        ['get replicasets -l app=web -o jsonpath={.items[*].metadata.ownerReferences}', ''],
        ['get replicasets -l app=web -o name', /^(replicaset\.apps\/web-\S+\n?)+$/],
        [
          'delete replicasets -l app=web --cascade=foreground',
          /^(replicaset\.apps "web-\S+" deleted from team namespace\n?)+$/
        ],
        ['get pods -l app=web', 'No resources found in team namespace.'],
        ['delete services --all', /^(service "\w+" deleted from team namespace\n?)+$/],
        ['delete namespace team', `namespace "team" deleted\n${CLUSTER_WIDE}`]
      ])
    },
    30_000 * slower
  )

  describe('helm 4', () => {
    const chart = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {message: {{ .Values.message }}}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 1
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: web, image: "busybox:1"}]}
`

    test(
      'installs, upgrades, rolls back and uninstalls',
      async () => {
        for (const folder of ['chart', 'chart/templates']) mkdirSync(join(cluster.dir, folder))
        cluster.writeFile('chart/Chart.yaml', 'apiVersion: v2\nname: small\nversion: 0.1.0\n')
        cluster.writeFile('chart/values.yaml', 'message: hello\n')
        cluster.writeFile('chart/templates/all.yaml', chart)
        const program = await bundledTool('helm')
        const env = { KUBECONFIG: join(cluster.dir, 'kubeconfig'), HOME: cluster.dir }
        const helm = async (...args: string[]) => {
          const outcome = await execute(program, args, { env })
          if (outcome.code !== 0) throw new Error(`helm ${args.join(' ')}: ${outcome.stderr}`)
          return outcome.stdout
        }
        const message = async () => await cluster.k('get', 'configmap', 'r', '-o', 'jsonpath={.data.message}')
        const folder = join(cluster.dir, 'chart')
        expect(await helm('install', 'r', folder)).toContain('STATUS: deployed')
        expect(await message()).toBe('hello')
        await helm('upgrade', 'r', folder, '--set', 'message=bye')
        expect(await message()).toBe('bye')
        await helm('rollback', 'r', '1')
        expect(await message()).toBe('hello')
        expect(await helm('history', 'r')).toMatch(/\n3\s.*\sdeployed\s.*\sRollback to 1/)
        expect(await helm('status', 'r')).toMatch(/==> v1\/Deployment\nNAME [\s\S]*\nr +0\/1/)
        await helm('uninstall', 'r')
        expect(await cluster.k('get', 'configmap,service,deployment', '-o', 'name')).toBe(
          'configmap/kube-root-ca.crt\nservice/kubernetes\n'
        )
      },
      30_000 * slower
    )
  })
}
