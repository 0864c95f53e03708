import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { holds, writeAtomically } from './files.ts'
import type { Paths } from './paths.ts'

export interface KubeconfigInput {
  readonly clusterName: string
  readonly server: string
  /** PEM. */
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** The administrator's kubeconfig, self-contained: certificates are in it, not beside it. */
export function kubeconfig(input: KubeconfigInput): string {
  const { clusterName, server } = input
  const base64 = (pem: string) => Buffer.from(pem).toString('base64')
  const user = `${clusterName}-admin`
  // Written by hand: a library for YAML would take as long to load as the rest of the command.
  return `apiVersion: v1
kind: Config
clusters:
  - name: ${clusterName}
    cluster:
      server: ${server}
      certificate-authority-data: ${base64(input.ca)}
users:
  - name: ${user}
    user:
      client-certificate-data: ${base64(input.certificate)}
      client-key-data: ${base64(input.key)}
contexts:
  - name: ${clusterName}
    context:
      cluster: ${clusterName}
      user: ${user}
current-context: ${clusterName}
`
}

/** Writes DIR/kubeconfig from the keys in the folder, unless it is there. */
export function writeKubeconfig(paths: Paths, cluster: Cluster): void {
  const read = (name: string) => readFileSync(join(paths.keys, name), 'utf8')
  const server = `https://127.0.0.1:${cluster.port}`
  const pair = { certificate: read('admin.crt'), key: read('admin.key') }
  const text = kubeconfig({ clusterName: cluster.name, server, ca: read('ca.crt'), ...pair })
  if (!holds(paths.kubeconfig, text)) writeAtomically(paths.kubeconfig, text)
}

/** YAML of objects, lists and texts, each text in quotes: JSON's quotes are YAML's. */
export function quotedYaml(value: object, indent = ''): string {
  const entries = Array.isArray(value)
    ? value.map((item) => ['- ', item] as const)
    : Object.entries(value).map(([key, item]) => [`${key}: `, item] as const)
  return entries
    .map(([start, item]) => {
      if (typeof item !== 'object' || item === null) return `${indent}${start}${JSON.stringify(item)}\n`
      if (Object.keys(item).length === 0) return `${indent}${start}${Array.isArray(item) ? '[]' : '{}'}\n`
      const inner = quotedYaml(item, `${indent}  `)
      return start === '- ' ? `${indent}- ${inner.slice(indent.length + 2)}` : `${indent}${start.trimEnd()}\n${inner}`
    })
    .join('')
}
