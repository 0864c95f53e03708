/** Every controller. A new one is a file beside this and a line here. */
import type { Controller } from '../controller.ts'
import { deploymentController } from './deployment.ts'
import { replicaSetController } from './replicaset.ts'

export function controllers(): Controller[] {
  return [deploymentController(), replicaSetController()]
}
