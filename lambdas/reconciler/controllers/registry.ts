/** Every controller. A new one is a file beside this and a line here. */
import type { Controller, ReconcilerConfig } from '../controller.ts'
import { certificateController } from './certificates.ts'
import { clusterRoleAggregationController } from './clusterrole-aggregation.ts'
import { deploymentController } from './deployment.ts'
import { endpointsController } from './endpoints.ts'
import { endpointSliceController } from './endpointslice.ts'
import { fargateController } from './fargate.ts'
import { garbageCollector } from './garbage-collector.ts'
import { namespaceController } from './namespace.ts'
import { nodeIpamController } from './node-ipam.ts'
import { nodeLifecycleController } from './node-lifecycle.ts'
import { nodeProvisioner } from './node-provisioner.ts'
import { podGarbageCollector } from './pod-gc.ts'
import { replicaSetController } from './replicaset.ts'
import { resourceQuotaController } from './resource-quota.ts'
import { rootCaController } from './root-ca.ts'
import { serviceAccountController } from './serviceaccount.ts'
import { taintEvictionController } from './taint-eviction.ts'

/** New values on each call: some controllers remember what they saw. Some are of use only with a platform behind them. */
export function controllers({
  fargate,
  provisioning
}: Pick<ReconcilerConfig, 'fargate' | 'provisioning'> = {}): Controller[] {
  return [
    ...(provisioning === undefined ? [] : [nodeProvisioner(provisioning)]),
    ...(fargate === undefined ? [] : [fargateController(fargate)]),
    deploymentController(),
    replicaSetController(),
    endpointSliceController(),
    endpointsController(),
    namespaceController(),
    serviceAccountController(),
    rootCaController(),
    garbageCollector(),
    nodeIpamController(),
    nodeLifecycleController(),
    taintEvictionController(),
    podGarbageCollector(),
    clusterRoleAggregationController(),
    resourceQuotaController(),
    certificateController()
  ]
}
