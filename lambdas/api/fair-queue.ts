/**
 * Seats for requests that come over the wire, shared fairly: who floods the server waits behind his own requests, not
 * before those of others. Kubernetes does it by flow schemas and priority levels; here a flow is a user.
 */
import { ApiError } from '../../core/errors.ts'
import type { UserInfo } from '../../core/http.ts'
import type { Attributes } from './types.ts'

export interface FairQueueOptions {
  /** How many requests are answered at once. */
  readonly seats: number
  /** How many requests of one flow may wait; more are told to come again. */
  readonly waiting: number
}

/** Enough that writes fill the store's transactions; few, that nobody waits long for those that are under way. */
export const SEATS: FairQueueOptions = { seats: 128, waiting: 1000 }
/** A list looks at many objects, a get at one. */
const LIST_SEATS = 8
const LONG = new Set(['log', 'exec', 'attach', 'portforward', 'proxy'])

/** 0: it needs none. Watches and streams last, and administrators must always get through, as in Kubernetes. */
export function seatsFor({ user, verb, resource }: Attributes): number {
  if (resource === undefined || verb === 'watch' || user.groups.includes('system:masters')) return 0
  if (resource.subresource !== undefined && LONG.has(resource.subresource)) return 0
  return (verb === 'list' && resource.name === undefined) || verb === 'deletecollection' ? LIST_SEATS : 1
}

export function isOfSystem({ username, groups }: UserInfo): boolean {
  return (
    groups.includes('system:nodes') ||
    username.startsWith('system:serviceaccount:kube-system:') ||
    username.startsWith('system:kube-')
  )
}

interface Flow {
  readonly name: string
  /** Seats that it holds. */
  active: number
  readonly queue: Waiter[]
}

interface Waiter {
  readonly seats: number
  readonly start: () => void
}

/** As kube-apiserver refuses: 429, and when to come again. */
export function tooManyRequests(): ApiError {
  return new ApiError('TooManyRequests', 'Too many requests, please try again later.', {
    details: { retryAfterSeconds: 1 }
  })
}

export class FairQueue {
  private readonly options: FairQueueOptions
  private readonly flows = new Map<string, Flow>()
  /** Flows with somebody waiting, in the order of their last turn. */
  private waiting: Flow[] = []
  private taken = 0

  constructor(options: FairQueueOptions) {
    this.options = options
  }

  /**
   * Takes seats: at once (undefined), or when the promise resolves. Throws TooManyRequests where too many of the flow
   * wait already. What was taken is given back with `leave`.
   */
  enter(name: string, seats: number): Promise<void> | undefined {
    const flow = this.flowOf(name)
    if (this.taken + seats <= this.options.seats && this.waiting.length === 0) {
      this.take(flow, seats)
      return undefined
    }
    if (flow.queue.length >= this.options.waiting) throw tooManyRequests()
    return new Promise((start) => {
      if (flow.queue.length === 0) this.waiting.push(flow)
      flow.queue.push({ seats, start })
    })
  }

  leave(name: string, seats: number): void {
    const flow = this.flowOf(name)
    flow.active -= seats
    this.taken -= seats
    this.admit()
    if (flow.active === 0 && flow.queue.length === 0) this.flows.delete(name)
  }

  private flowOf(name: string): Flow {
    let flow = this.flows.get(name)
    if (flow === undefined) {
      flow = { name, active: 0, queue: [] }
      this.flows.set(name, flow)
    }
    return flow
  }

  private take(flow: Flow, seats: number): void {
    flow.active += seats
    this.taken += seats
  }

  /** The flow that holds least comes first; of equal ones, the one whose last turn is longest ago. */
  private admit(): void {
    while (this.waiting.length > 0) {
      let [next] = this.waiting
      for (const flow of this.waiting) if (next === undefined || flow.active < next.active) next = flow
      const first = next?.queue[0]
      if (next === undefined || first === undefined) return
      // A request for more seats than there are goes alone.
      if (this.taken + first.seats > this.options.seats && this.taken > 0) return
      next.queue.shift()
      const flow = next
      this.waiting = this.waiting.filter((one) => one !== flow)
      if (flow.queue.length > 0) this.waiting.push(flow)
      this.take(flow, first.seats)
      first.start()
    }
  }
}
