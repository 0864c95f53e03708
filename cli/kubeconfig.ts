import { stringify } from 'yaml'

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
  const base64 = (pem: string) => Buffer.from(pem).toString('base64')
  const user = `${input.clusterName}-admin`
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: input.clusterName, cluster: { server: input.server, 'certificate-authority-data': base64(input.ca) } }
    ],
    users: [
      {
        name: user,
        user: { 'client-certificate-data': base64(input.certificate), 'client-key-data': base64(input.key) }
      }
    ],
    contexts: [{ name: input.clusterName, context: { cluster: input.clusterName, user } }],
    'current-context': input.clusterName
  })
}
