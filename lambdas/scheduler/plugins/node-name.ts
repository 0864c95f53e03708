import { type FilterPlugin, refusal } from './plugin.ts'

const REFUSED = refusal("node(s) didn't match the requested node name", true)

/** Only of use for pods that come with a node: the queue holds none, but a decision may be asked for one. */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  wakers: ['node'],
  filter: ({ candidate }) => {
    const wanted = candidate.object.spec?.nodeName ?? ''
    return wanted === '' ? undefined : ({ name }) => (name === wanted ? undefined : REFUSED)
  }
}
