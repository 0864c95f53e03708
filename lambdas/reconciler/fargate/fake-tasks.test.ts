import { silentLog, systemPorts } from '../../../core/system-ports.ts'
import { plainDefinition, tasksSuite } from '../../../test/contract/tasks-suite.ts'
import { fakeTasks } from './fake-tasks.ts'
import { TaskRefused } from './tasks.ts'

const tasks = fakeTasks(systemPorts(silentLog))

tasksSuite(() => tasks)

test('what it is told to refuse is refused as such', async () => {
  tasks.refuse('no such role')
  const request = { pod: 'p', key: 'default/p', attempt: 0, definition: plainDefinition() }
  await expect(tasks.run(request)).rejects.toBeInstanceOf(TaskRefused)
})
