import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { runtimeSuite } from '../../test/contract/runtime-suite.ts'
import { createFakeRuntime } from './fake.ts'

describe('the fake runtime keeps the contract', () => {
  const runtime = createFakeRuntime(systemPorts(silentLog))
  runtimeSuite(() => ({ runtime, image: 'i:1', logs: '/tmp', cgroupParent: '/' }))
})
