/**
 * Names that one process at a time may hold, for a while: plain conditional writes. A holder that dies holds on until
 * its time is over; one that is slower than its time has lost the name, and has to see to that itself.
 */
export interface Leases {
  /** Takes the name, or goes on holding it; false: another holder has it. Durable when it resolves. */
  take(name: string, by: { readonly holder: string; readonly ttlMs: number }): Promise<boolean>
  /** Gives it back, if this holder still has it. */
  give(name: string, holder: string): Promise<void>
}
