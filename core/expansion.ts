/**
 * "$(NAME)" in commands, arguments and values. "$$" stands for "$"; a name that is not defined stays as it was written.
 */
export function expand(text: string, value: (name: string) => string | undefined): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (value(name) ?? whole)
  )
}
