import type { Backend } from '../../store/backend.ts'

/** A call of a backend: its method and arguments. `proceed` makes it. */
export interface Call {
  readonly method: keyof Backend
  readonly args: readonly unknown[]
  readonly proceed: (args?: readonly unknown[]) => Promise<unknown>
}

/** A backend whose every call goes through `handle`. Faults and mutants are made with it, never in a backend. */
export function intercept(
  inner: Backend,
  handle: (call: Call) => Promise<unknown>,
  exclusive: boolean = inner.exclusive
): Backend {
  return new Proxy(inner, {
    get(target, property) {
      if (property === 'exclusive') return exclusive
      const method = property as Exclude<keyof Backend, 'exclusive'>
      const call = target[method] as (...args: unknown[]) => Promise<unknown>
      if (typeof call !== 'function') return call
      return (...args: unknown[]) =>
        handle({ method, args, proceed: async (changed = args) => await call.apply(target, [...changed]) })
    }
  })
}

/** The same backend as one that others may write to as well. */
export function shared(inner: Backend): Backend {
  return intercept(inner, async ({ proceed }) => await proceed(), false)
}
