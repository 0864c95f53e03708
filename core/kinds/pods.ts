/** Pods, and the templates that they are stored as. */

import type { FieldError } from '../errors.ts'
import { invalidError } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import type { Kind, Rules } from './kind.ts'
import { podCells } from './pod-cells.ts'
import { defaultPod, defaultPodTemplate } from './pod-defaults.ts'
import { preparePod } from './pod-prepare.ts'
import { qosClass } from './pod-qos.ts'
import { validateResize } from './pod-resize.ts'
import { validateEphemeralContainers, validatePodStatus, validatePodUpdate } from './pod-update.ts'
import { checkPodTemplate, validatePod, validatePodCreation } from './pod-validate.ts'
import { hostnameWarnings, podWarnings, templateWarnings } from './pod-warnings.ts'
import { row } from './row.ts'
import { labelsText, templateCells } from './template-cells.ts'
import type { Container, Pod, PodTemplate } from './types.ts'

const asPod = (object: KubeObject) => object as unknown as Pod

export const podRules: Rules = {
  defaults: (object) => defaultPod(asPod(object)),
  prepareCreate: (object, { now }) => {
    const pod = asPod(object)
    preparePod(pod, now)
    // `validate` cannot tell a creation from an update.
    const refused = validatePodCreation(pod)
    if (refused.length > 0)
      throw invalidError({ group: '', kind: 'Pod' }, pod.metadata.name ?? '', [...validatePod(pod), ...refused])
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
  },
  prepareStatus: (next, old) => {
    const status = asPod(next).status ?? {}
    next.spec = old.spec
    // Old agents garbled owner references here; since then this path leaves them alone.
    const { ownerReferences } = old.metadata
    if (ownerReferences === undefined) delete next.metadata.ownerReferences
    else next.metadata.ownerReferences = ownerReferences
    status.qosClass ||= asPod(old).status?.qosClass ?? qosClass(asPod(old))
    next.status = status
  },
  validate: (object) => validatePod(asPod(object)),
  metadataOnUpdate: 'also as new',
  validateUpdate: (next, old) => validatePodUpdate(asPod(next), asPod(old)),
  validateStatus: (next, old) => validatePodStatus(asPod(next), asPod(old)),
  // Pods change often, and seldom by a human.
  warnings: (object, old) =>
    old === undefined
      ? [...hostnameWarnings(object.metadata.name, "the Pod's hostname"), ...podWarnings(asPod(object), '')]
      : [],
  generation: true,
  gracePeriod: (object) => podGracePeriod(asPod(object)),
  fields: {
    'spec.nodeName': (object) => asPod(object).spec?.nodeName ?? '',
    'spec.restartPolicy': (object) => asPod(object).spec?.restartPolicy ?? '',
    'spec.schedulerName': (object) => asPod(object).spec?.schedulerName ?? '',
    'spec.serviceAccountName': (object) => asPod(object).spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (object) => String(asPod(object).spec?.hostNetwork ?? false),
    'status.phase': (object) => asPod(object).status?.phase ?? '',
    'status.podIP': (object) => asPod(object).status?.podIP ?? '',
    'status.nominatedNodeName': (object) => asPod(object).status?.nominatedNodeName ?? ''
  },
  indexes: {
    node: (object) => {
      const name = asPod(object).spec?.nodeName
      return name ? [name] : []
    },
    // By its scheduler: that of AWS starts anew with each change, and must find what waits without reading all pods.
    pending: (object) => {
      const { metadata, spec, status } = asPod(object)
      const gated = (spec?.schedulingGates ?? []).length > 0
      if (spec?.nodeName || gated || metadata.deletionTimestamp !== undefined) return []
      if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return []
      return [spec?.schedulerName ?? 'default-scheduler']
    }
  },
  cells: (object, now) => podCells(asPod(object), now)
}

/** Seconds that deletion leaves the pod by default; 0 where nobody has to stop it: not on a node, or finished. */
export function podGracePeriod({ spec, status }: Pod): number {
  if (!spec?.nodeName || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0
  const seconds = spec.terminationGracePeriodSeconds ?? 0
  return seconds < 0 ? 1 : seconds
}

/** What a pod's subresource may change, and how the change is checked. */
export interface PodChange {
  /** Gives `next` everything of `old` that this subresource leaves alone; both have their defaults. */
  readonly prepare: (next: Pod, old: Pod) => void
  /** All errors beyond metadata's. */
  readonly validate: (next: Pod, old: Pod) => FieldError[]
}

export const podChanges: Readonly<Record<'ephemeralcontainers' | 'resize', PodChange>> = {
  ephemeralcontainers: {
    prepare: (next, old) => {
      const added = next.spec?.ephemeralContainers
      next.spec = { ...(old.spec ?? { containers: [] }), ephemeralContainers: added }
      next.status = old.status
    },
    validate: (next, old) => [...validatePod(next), ...validateEphemeralContainers(next, old)]
  },
  resize: {
    prepare: (next, old) => {
      const wanted = next.spec
      const spec = old.spec ?? { containers: [] }
      const resized = (list: readonly Container[] | undefined, from: readonly Container[] | undefined) =>
        list?.map((container) => {
          const given = from?.find(({ name }) => name === container.name)
          if (given === undefined) return container
          return { ...container, resources: given.resources, resizePolicy: given.resizePolicy }
        })
      next.spec = {
        ...spec,
        containers: resized(spec.containers, wanted?.containers) ?? [],
        initContainers: resized(spec.initContainers, wanted?.initContainers)
      }
      next.status = old.status
    },
    validate: (next, old) => [...validatePod(next), ...validateResize(next, old)]
  }
}

const templateRules: Rules = {
  defaults: (object) => {
    const holder = object as unknown as PodTemplate
    holder.template ??= {}
    defaultPodTemplate(holder.template)
  },
  validate: (object) => {
    const errors: FieldError[] = []
    checkPodTemplate((object as unknown as PodTemplate).template, 'template', errors)
    return errors
  },
  warnings: templateWarnings((object) => (object as unknown as PodTemplate).template, 'template'),
  cells: (object) => {
    const { metadata, template } = object as unknown as PodTemplate
    return [metadata.name ?? '', ...templateCells(template), labelsText(template?.metadata?.labels)]
  },
  generation: true
}

export const podKinds: readonly Kind[] = [row('v1', 'pods', podRules), row('v1', 'podtemplates', templateRules)]
