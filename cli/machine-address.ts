import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

interface Address {
  readonly link: string
  readonly address: string
}

/**
 * The IPv4 address under which pods and other machines reach this one: that of the link with the default route, else
 * the first that is not a cluster's own; 127.0.0.1 where there is none.
 */
export function hostAddress(): string {
  return chooseAddress(machineAddresses(), defaultLink(readRoutes()))
}

/** IPv4 addresses that are neither loopback nor link-local. */
export function machineAddresses(): Address[] {
  return Object.entries(networkInterfaces()).flatMap(([link, list]) =>
    (list ?? [])
      .filter((one) => one.family === 'IPv4' && !one.internal && !one.address.startsWith('169.254.'))
      .map(({ address }) => ({ link, address }))
  )
}

export function chooseAddress(addresses: readonly Address[], preferred: string | undefined): string {
  const chosen =
    addresses.find(({ link }) => link === preferred) ??
    addresses.find(({ link }) => !/^(wherry|veth|docker|cni|br-|virbr)/.test(link))
  return chosen?.address ?? '127.0.0.1'
}

/** The link of the default route with the lowest metric, of the text of /proc/net/route. */
export function defaultLink(routes: string): string | undefined {
  const [, ...lines] = routes.split('\n')
  return lines
    .map((line) => line.split('\t'))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]))[0]?.[0]
}

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8')
  } catch {
    return ''
  }
}
