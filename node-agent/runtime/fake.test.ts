import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { runtimeSuite } from '../../test/contract/runtime-suite.ts'
import { FakeRuntime } from './fake.ts'

describe('the fake runtime keeps the contract', () => {
  const runtime = new FakeRuntime(systemPorts(silentLog))
  runtimeSuite(() => ({ runtime, image: 'i:1', logs: '/tmp', cgroupParent: '/' }))
})
