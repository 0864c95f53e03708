/** An ingress that names no class gets the default one: of several, the newest. */
import type { Ingress } from '../../../core/kinds/types.ts'
import type { AdmissionPlugin } from '../types.ts'

const CLASSES = 'networking.k8s.io/ingressclasses'
const IS_DEFAULT = 'ingressclass.kubernetes.io/is-default-class'
/** Of former days; it too names a class. */
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'

export const defaultIngressClass: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  resources: ['networking.k8s.io/ingresses'],
  async mutate({ kind, operation, subresource, object, store }) {
    if (operation !== 'CREATE' || subresource !== undefined || kind.storage !== 'networking.k8s.io/ingresses') return
    const ingress = object as unknown as Ingress
    if (ingress.spec?.ingressClassName !== undefined) return
    if (ingress.metadata.annotations?.[CLASS_ANNOTATION] !== undefined) return
    const { entries } = await store.list(CLASSES)
    const defaults = entries
      .map(({ value: { metadata } }) => metadata)
      .filter(({ annotations }) => annotations?.[IS_DEFAULT] === 'true')
      .sort((a, b) => {
        const [left = '', right = ''] = [a.creationTimestamp, b.creationTimestamp]
        if (left !== right) return left < right ? 1 : -1
        return (a.name ?? '') < (b.name ?? '') ? -1 : 1
      })
    const name = defaults[0]?.name
    if (name !== undefined) ingress.spec = { ...ingress.spec, ingressClassName: name }
  }
}
