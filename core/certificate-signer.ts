/** What signs for the cluster's CA, as the controllers are given it. */

/** What a signing request asks to be called. */
export interface CertificateSubject {
  readonly commonName: string
  readonly organizations: readonly string[]
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly emailAddresses: readonly string[]
  readonly uris: readonly string[]
}

export interface CertificateSigner {
  /** `request`: base64 of PEM, as spec.request. Rejects where it is no request. */
  subjectOf(request: string): Promise<CertificateSubject>
  /** PEM. Valid from five minutes ago, for `seconds` from then, but no longer than the CA itself. */
  sign(request: string, how: { readonly usages: readonly string[]; readonly seconds: number }): Promise<string>
}
