import { TestCluster } from './cluster.ts'
import { kubectlApiSuite } from './kubectl-api-suite.ts'

kubectlApiSuite(async () => await TestCluster.start('--control-plane-only'))
