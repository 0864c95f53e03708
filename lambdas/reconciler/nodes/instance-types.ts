/** Table: the EC2 instance types that nodes can be made of. A new one is a row. */

export interface InstanceType {
  readonly name: string
  readonly arch: 'arm64' | 'amd64'
  readonly cpus: number
  /** MiB, as EC2 sells it. */
  readonly memory: number
  /** Dollars an hour on demand in us-east-1 (AWS' price list, 2026). Elsewhere the order is the same. */
  readonly price: number
}

/** name, vCPUs, GiB, price */
type Row = readonly [string, number, number, number]

const ARM: readonly Row[] = [
  ['t4g.nano', 2, 0.5, 0.0042],
  ['t4g.micro', 2, 1, 0.0084],
  ['t4g.small', 2, 2, 0.0168],
  ['t4g.medium', 2, 4, 0.0336],
  ['t4g.large', 2, 8, 0.0672],
  ['t4g.xlarge', 4, 16, 0.1344],
  ['t4g.2xlarge', 8, 32, 0.2688],
  ['c7g.medium', 1, 2, 0.0363],
  ['c7g.large', 2, 4, 0.0725],
  ['c7g.xlarge', 4, 8, 0.145],
  ['c7g.2xlarge', 8, 16, 0.29],
  ['c7g.4xlarge', 16, 32, 0.58],
  ['c7g.8xlarge', 32, 64, 1.16],
  ['c7g.12xlarge', 48, 96, 1.74],
  ['c7g.16xlarge', 64, 128, 2.32],
  ['m7g.medium', 1, 4, 0.0408],
  ['m7g.large', 2, 8, 0.0816],
  ['m7g.xlarge', 4, 16, 0.1632],
  ['m7g.2xlarge', 8, 32, 0.3264],
  ['m7g.4xlarge', 16, 64, 0.6528],
  ['m7g.8xlarge', 32, 128, 1.3056],
  ['m7g.12xlarge', 48, 192, 1.9584],
  ['m7g.16xlarge', 64, 256, 2.6112],
  ['r7g.medium', 1, 8, 0.0536],
  ['r7g.large', 2, 16, 0.1071],
  ['r7g.xlarge', 4, 32, 0.2142],
  ['r7g.2xlarge', 8, 64, 0.4284],
  ['r7g.4xlarge', 16, 128, 0.8568],
  ['r7g.8xlarge', 32, 256, 1.7136],
  ['r7g.12xlarge', 48, 384, 2.5704],
  ['r7g.16xlarge', 64, 512, 3.4272]
]

const AMD: readonly Row[] = [
  ['t3.nano', 2, 0.5, 0.0052],
  ['t3.micro', 2, 1, 0.0104],
  ['t3.small', 2, 2, 0.0208],
  ['t3.medium', 2, 4, 0.0416],
  ['t3.large', 2, 8, 0.0832],
  ['t3.xlarge', 4, 16, 0.1664],
  ['t3.2xlarge', 8, 32, 0.3328],
  ['c7i.large', 2, 4, 0.08925],
  ['c7i.xlarge', 4, 8, 0.1785],
  ['c7i.2xlarge', 8, 16, 0.357],
  ['c7i.4xlarge', 16, 32, 0.714],
  ['c7i.8xlarge', 32, 64, 1.428],
  ['m7i.large', 2, 8, 0.1008],
  ['m7i.xlarge', 4, 16, 0.2016],
  ['m7i.2xlarge', 8, 32, 0.4032],
  ['m7i.4xlarge', 16, 64, 0.8064],
  ['m7i.8xlarge', 32, 128, 1.6128],
  ['m7i.12xlarge', 48, 192, 2.4192],
  ['m7i.16xlarge', 64, 256, 3.2256],
  ['r7i.large', 2, 16, 0.1323],
  ['r7i.xlarge', 4, 32, 0.2646],
  ['r7i.2xlarge', 8, 64, 0.5292],
  ['r7i.4xlarge', 16, 128, 1.0584],
  ['r7i.8xlarge', 32, 256, 2.1168]
]

export const INSTANCE_TYPES: readonly InstanceType[] = [...rows('arm64', ARM), ...rows('amd64', AMD)]

function rows(arch: InstanceType['arch'], of: readonly Row[]): InstanceType[] {
  return of.map(([name, cpus, gib, price]) => ({ name, arch, cpus, memory: gib * 1024, price }))
}
