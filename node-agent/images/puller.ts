/** Brings a container's image onto the node, as its pull policy says, and waits longer after each failure. */
import { goQuote } from '../../core/go-text.ts'
import type { Container, Pod, Secret } from '../../core/kinds/types.ts'
import type { Ports } from '../../core/ports.ts'
import type { PodEvents } from '../events.ts'
import type { StartFailure } from '../pod/input.ts'
import { type Image, type ImageAuth, type Runtime, RuntimeError } from '../runtime/runtime.ts'
import { credentialsFor } from './credentials.ts'
import { imageNameProblem } from './names.ts'

const FIRST_BACKOFF_MS = 10_000
const MAX_BACKOFF_MS = 300_000
/** How long a failure is called ErrImagePull before it is called ImagePullBackOff. */
const SHOWN_AS_ERROR_MS = 1000
/** A missing image with policy Never may be loaded by hand: look again after this. */
const NEVER_RETRY_MS = 5000
/** A name can only be mended by a change of the pod, which is looked at anyway; so often it is told again. */
const INVALID_RETRY_MS = 60_000

export interface ImageRequest {
  readonly pod: Pod
  readonly container: Container
  readonly secrets: () => Promise<readonly Secret[]>
  readonly event: PodEvents
}

export type ImageAnswer = { readonly image: Image } | { readonly failure: StartFailure }

export interface ImagePuller {
  ensure(request: ImageRequest): Promise<ImageAnswer>
  forget(podUid: string): void
}

interface Backoff {
  readonly ms: number
  readonly at: number
}

export function createPuller(runtime: Runtime, ports: Ports): ImagePuller {
  const backoffs = new Map<string, Backoff>()
  return {
    ensure: async (request) => {
      const { container, event } = request
      const image = container.image ?? ''
      const policy = container.imagePullPolicy ?? defaultPolicy(image)
      const problem = imageNameProblem(image)
      if (problem !== undefined) return invalidName(request, { image, problem, ports })
      try {
        const present = await runtime.findImage(image)
        if (present !== undefined && policy !== 'Always') {
          const message = `Container image "${image}" already present on machine and can be accessed by the pod`
          event(container, 'Normal', { reason: 'Pulled', message })
          return { image: present }
        }
        if (policy === 'Never') return neverPulled(request, image, ports)
        return { image: await pull({ runtime, ports, request, image }) }
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error
        const key = `${request.pod.metadata.uid ?? ''}|${image}`
        return { failure: failed({ request, image, error, backoffs, key, now: ports.clock.now() }) }
      }
    },
    forget: (podUid) => {
      for (const key of backoffs.keys()) if (key.startsWith(`${podUid}|`)) backoffs.delete(key)
    }
  }
}

/** What the API's defaulting sets; for objects that went another way. */
function defaultPolicy(image: string): string {
  const last = image.slice(image.lastIndexOf('/') + 1)
  return !last.includes(':') || last.endsWith(':latest') ? 'Always' : 'IfNotPresent'
}

function invalidName(
  { container, event }: ImageRequest,
  { image, problem, ports }: { readonly image: string; readonly problem: string; readonly ports: Ports }
): ImageAnswer {
  const quoted = goQuote(image)
  const message = `Failed to apply default image tag ${quoted}: couldn't parse image name ${quoted}: ${problem}`
  event(container, 'Warning', { reason: 'InspectFailed', message })
  event(container, 'Warning', { reason: 'Failed', message: 'Error: InvalidImageName' })
  return { failure: { reason: 'InvalidImageName', message, until: ports.clock.now() + INVALID_RETRY_MS } }
}

function neverPulled({ container, event }: ImageRequest, image: string, ports: Ports): ImageAnswer {
  const message = `Container image "${image}" is not present with pull policy of Never`
  event(container, 'Warning', { reason: 'ErrImageNeverPull', message })
  event(container, 'Warning', { reason: 'Failed', message: 'Error: ErrImageNeverPull' })
  return { failure: { reason: 'ErrImageNeverPull', message, until: ports.clock.now() + NEVER_RETRY_MS } }
}

interface Pull {
  readonly runtime: Runtime
  readonly ports: Ports
  readonly request: ImageRequest
  readonly image: string
}

async function pull({ runtime, ports, request, image }: Pull): Promise<Image> {
  const { container, event } = request
  event(container, 'Normal', { reason: 'Pulling', message: `Pulling image "${image}"` })
  const began = ports.clock.now()
  const credentials = credentialsFor(image, await request.secrets())
  await pullWithAny(runtime, image, credentials)
  const took = goDuration(ports.clock.now() - began)
  const found = await runtime.findImage(image)
  if (found === undefined) throw new RuntimeError('Other', `image "${image}" is missing after its pull`)
  const message = `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${found.size} bytes.`
  event(container, 'Normal', { reason: 'Pulled', message })
  return found
}

/** Each credential in turn; the last failure counts. */
async function pullWithAny(runtime: Runtime, image: string, credentials: readonly ImageAuth[]): Promise<void> {
  let failure: unknown
  for (const auth of credentials.length === 0 ? [undefined] : credentials) {
    try {
      await runtime.pullImage(image, auth)
      return
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

interface Failure {
  readonly request: ImageRequest
  readonly image: string
  readonly error: RuntimeError
  readonly backoffs: Map<string, Backoff>
  readonly key: string
  readonly now: number
}

function failed({ request, image, error, backoffs, key, now }: Failure): StartFailure {
  const { container, event } = request
  const before = backoffs.get(key)
  const forgotten = before === undefined || now - before.at > 2 * MAX_BACKOFF_MS
  const ms = forgotten ? FIRST_BACKOFF_MS : Math.min(before.ms * 2, MAX_BACKOFF_MS)
  backoffs.set(key, { ms, at: now })
  // The code Unknown says nothing: Kubernetes leaves it out.
  const text = error.message.replace(/^rpc error: code = Unknown desc = /, '')
  event(container, 'Warning', { reason: 'Failed', message: `Failed to pull image "${image}": ${text}` })
  event(container, 'Warning', { reason: 'Failed', message: 'Error: ErrImagePull' })
  return {
    reason: 'ErrImagePull',
    message: text,
    until: now + ms,
    later: {
      from: now + SHOWN_AS_ERROR_MS,
      reason: 'ImagePullBackOff',
      event: `Back-off pulling image "${image}"`,
      message: `Back-off pulling image "${image}": ErrImagePull: ${text}`
    }
  }
}

/** As Go prints it: "312ms", "1.204s". */
function goDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${Number((ms / 1000).toFixed(3))}s`
}
