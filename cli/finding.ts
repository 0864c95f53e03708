/** What one check of the doctor found. */
export interface Finding {
  readonly what: string
  /** Absent: all is well. */
  readonly wrong?: string
  readonly mend?: string
}

/** `wrong` undefined: all is well, and `mend` is not needed. */
export function finding(what: string, wrong?: string | undefined, mend?: string): Finding {
  if (wrong === undefined) return { what }
  return mend === undefined ? { what, wrong } : { what, wrong, mend }
}
