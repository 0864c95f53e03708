import { silentLog, systemPorts } from '../../../core/system-ports.ts'
import { instancesSuite } from '../../../test/contract/instances-suite.ts'
import { fakeInstances } from './fake-instances.ts'
import { NoCapacity } from './instances.ts'

const { clock } = systemPorts(silentLog)
const instances = fakeInstances({ clock })

instancesSuite(() => ({ instances, zones: ['z-1a', 'z-1b'] }))

test('a type that it lacks is refused as such', async () => {
  instances.lacking.add('t4g.large')
  await expect(instances.launch({ id: 'x', type: 't4g.large', zone: 'z-1a' })).rejects.toBeInstanceOf(NoCapacity)
})
