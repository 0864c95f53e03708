import { kubectlApiSuite } from '../e2e/kubectl-api-suite.ts'
import { describeWith } from '../requires.ts'
import { DeployedCluster } from './deployed.ts'
import { lacksForEmulator } from './emulator.ts'

/** The emulator's API Gateway holds an answer back until it is whole, which a watch is after half a minute. */
const STREAMS = /--watch .*--request-timeout=1s|^wait --for=(condition|delete)/

describeWith(lacksForEmulator('ministack'), 'kubectl and helm on a deployed cluster', () => {
  const start = async () => await DeployedCluster.start({ flags: ['--no-nodes'] })
  kubectlApiSuite(start, { startMs: 240_000, slower: 6, without: STREAMS })
})
