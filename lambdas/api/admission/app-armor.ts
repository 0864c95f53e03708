/** AppArmor profiles named by annotation, as of old, become fields of the containers. */
import type { AppArmorProfile, Pod } from '../../../core/kinds/types.ts'
import { sameJson } from '../copy.ts'
import type { AdmissionPlugin } from '../types.ts'

const PREFIX = 'container.apparmor.security.beta.kubernetes.io/'
const LOCALHOST = 'localhost/'

export const appArmorFields: AdmissionPlugin = {
  name: 'AppArmorFields',
  resources: ['pods'],
  async complete({ kind, operation, subresource, object, warn }) {
    if (operation !== 'CREATE' || kind.storage !== 'pods' || subresource !== undefined) return
    const { metadata, spec } = object as unknown as Pod
    if (metadata.annotations === undefined || spec === undefined || spec.os?.name === 'windows') return
    for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      const key = `${PREFIX}${container.name}`
      const text = metadata.annotations[key]
      if (text === undefined || container.securityContext?.appArmorProfile !== undefined) continue
      const profile = profileOf(text)
      if (profile !== undefined && sameJson(profile, spec.securityContext?.appArmorProfile)) continue
      if (profile !== undefined) container.securityContext = { ...container.securityContext, appArmorProfile: profile }
      warn(`metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`)
    }
  }
}

function profileOf(text: string): AppArmorProfile | undefined {
  if (text === 'unconfined') return { type: 'Unconfined' }
  if (text === 'runtime/default') return { type: 'RuntimeDefault' }
  if (!text.startsWith(LOCALHOST) || text.trim() === LOCALHOST) return undefined
  return { type: 'Localhost', localhostProfile: text.slice(LOCALHOST.length) }
}
