import { Client } from '../core/client.ts'
import { ApiError } from '../core/errors.ts'
import type { ApiRequest, Send } from '../core/http.ts'
import type { Pod, PodStatus } from '../core/kinds/types.ts'
import { fakePorts, turn } from '../test/fake-ports.ts'
import { StatusManager, statusPatch } from './status-manager.ts'

const ready = (status: string, more: object = {}) => ({ type: 'Ready', status, lastTransitionTime: 't', ...more })

describe('what a status patch says', () => {
  test.each<[string, PodStatus, PodStatus, object | undefined]>([
    ['nothing', { phase: 'Running' }, { phase: 'Running' }, undefined],
    ['nothing, where only undefined differs', { phase: 'Running' }, { phase: 'Running', reason: undefined }, undefined],
    [
      'a new phase',
      { phase: 'Pending', qosClass: 'BestEffort' },
      { phase: 'Running', qosClass: 'BestEffort' },
      { phase: 'Running' }
    ],
    [
      'an address that is lost',
      { podIP: 'a', podIPs: [{ ip: 'a' }] },
      {},
      { podIP: null, podIPs: [{ ip: 'a', $patch: 'delete' }] }
    ],
    [
      'another address',
      { podIPs: [{ ip: 'a' }] },
      { podIPs: [{ ip: 'b' }] },
      { podIPs: [{ ip: 'a', $patch: 'delete' }, { ip: 'b' }] }
    ],
    [
      'a condition that changed, and what it lost',
      { conditions: [ready('False', { reason: 'X', message: 'm' })] },
      { conditions: [ready('True')] },
      { conditions: [{ ...ready('True'), reason: null, message: null }] }
    ],
    [
      'nothing of conditions that others own',
      { conditions: [{ type: 'Own', status: 'True' }] },
      { conditions: [] },
      undefined
    ],
    [
      'that a resize is over',
      { conditions: [{ type: 'PodResizeInProgress', status: 'True' }] },
      { conditions: [] },
      { conditions: [{ type: 'PodResizeInProgress', $patch: 'delete' }] }
    ],
    [
      'nothing for a zero time',
      { conditions: [ready('True', { lastProbeTime: null })] },
      { conditions: [ready('True')] },
      undefined
    ],
    ['what others wrote stays', { nominatedNodeName: 'n' }, {}, undefined]
  ])('%s', (_, from, to, expected) => expect(statusPatch(from, to)).toEqual(expected))
})

describe('statuses on their way', () => {
  const pod = (version: number, status: PodStatus = {}): Pod => ({
    metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: String(version) },
    status
  })
  /** An API of one pod that applies a patch's phase. */
  function setUp() {
    const ports = fakePorts()
    const sent: unknown[] = []
    let fail: ApiError | undefined
    let version = 1
    let phase = ''
    const send: Send = async (request: ApiRequest) => {
      const body = (request.body as { value: { status: { phase: string } } }).value
      sent.push(body)
      const failure = fail
      if (failure !== undefined) return answer(failure.code, failure.toStatus())
      phase = body.status.phase ?? phase
      version++
      return answer(200, pod(version, { phase }))
    }
    const manager = new StatusManager(new Client(send), ports)
    const failWith = (error: ApiError | undefined) => {
      fail = error
    }
    return { ports, sent, manager, failWith }
  }
  const answer = (status: number, value: unknown) => ({
    status,
    headers: {},
    body: { payload: { value, bytes: () => Buffer.alloc(0) } }
  })

  test('one request for several changes at once, none for what is there', async () => {
    const { manager, sent } = setUp()
    manager.set(pod(1), { phase: 'Pending' })
    manager.set(pod(1), { phase: 'Running' })
    await manager.settled('u')
    expect(sent).toEqual([{ metadata: { uid: 'u' }, status: { phase: 'Running' } }])
    manager.set(pod(1), { phase: 'Running' })
    await manager.settled('u')
    expect(sent).toHaveLength(1)
  })

  test('tried again until it is written, with the newest', async () => {
    const { manager, sent, failWith, ports } = setUp()
    failWith(new ApiError('ServiceUnavailable', 'away'))
    manager.set(pod(1), { phase: 'Pending' })
    await turn()
    manager.set(pod(1), { phase: 'Running' })
    await ports.advance(300)
    expect(sent.length).toBeGreaterThan(1)
    failWith(undefined)
    await ports.advance(1000)
    await manager.settled('u')
    expect(sent.at(-1)).toEqual({ metadata: { uid: 'u' }, status: { phase: 'Running' } })
  })

  test('given up for a pod that is gone, or is another one', async () => {
    for (const reason of ['NotFound', 'Conflict'] as const) {
      const { manager, sent, failWith } = setUp()
      failWith(new ApiError(reason, 'no'))
      manager.set(pod(1), { phase: 'Running' })
      await manager.settled('u')
      expect(sent).toHaveLength(1)
    }
  })
})
