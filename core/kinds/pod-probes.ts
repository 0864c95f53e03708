/** Validation of probes and of the hooks in a container's lifecycle. */
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isHTTPHeaderName } from '../names.ts'
import { checkNonnegative, checkPort, complaints, type Errors } from './checks.ts'
import type { Container, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, SleepAction } from './types.ts'

export interface HandlerScope {
  readonly errors: Errors
  /** The pod's terminationGracePeriodSeconds. */
  readonly gracePeriod: number | undefined
}

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'> & Pick<LifecycleHandler, 'sleep'>

const SCHEMES = ['HTTP', 'HTTPS']

/** Lifecycle and probes of a container that may have them. */
export function checkProbesOf(container: Container, path: string, scope: HandlerScope): void {
  const { lifecycle, livenessProbe, readinessProbe, startupProbe } = container
  if (lifecycle !== undefined) checkLifecycle(lifecycle, `${path}.lifecycle`, scope)
  if (livenessProbe !== undefined) {
    checkProbe(livenessProbe, `${path}.livenessProbe`, scope)
    checkSuccessThreshold(livenessProbe, `${path}.livenessProbe`, scope.errors)
  }
  if (readinessProbe !== undefined) {
    const at = `${path}.readinessProbe`
    checkProbe(readinessProbe, at, scope)
    const seconds = readinessProbe.terminationGracePeriodSeconds
    if (seconds !== undefined)
      scope.errors.push(invalid(`${at}.terminationGracePeriodSeconds`, seconds, 'must not be set for readinessProbes'))
  }
  if (startupProbe !== undefined) {
    checkProbe(startupProbe, `${path}.startupProbe`, scope)
    checkSuccessThreshold(startupProbe, `${path}.startupProbe`, scope.errors)
  }
}

function checkSuccessThreshold({ successThreshold = 0 }: Probe, path: string, errors: Errors): void {
  if (successThreshold !== 1) errors.push(invalid(`${path}.successThreshold`, successThreshold, 'must be 1'))
}

function checkLifecycle({ postStart, preStop }: Lifecycle, path: string, scope: HandlerScope): void {
  if (postStart !== undefined) checkHandler(postStart, `${path}.postStart`, scope)
  if (preStop !== undefined) checkHandler(preStop, `${path}.preStop`, scope)
}

function checkProbe(probe: Probe, path: string, scope: HandlerScope): void {
  const { errors } = scope
  checkHandler(probe, path, scope)
  checkNonnegative(probe.initialDelaySeconds, `${path}.initialDelaySeconds`, errors)
  checkNonnegative(probe.timeoutSeconds, `${path}.timeoutSeconds`, errors)
  checkNonnegative(probe.periodSeconds, `${path}.periodSeconds`, errors)
  checkNonnegative(probe.successThreshold, `${path}.successThreshold`, errors)
  checkNonnegative(probe.failureThreshold, `${path}.failureThreshold`, errors)
  const seconds = probe.terminationGracePeriodSeconds
  if (seconds !== undefined && seconds <= 0)
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, seconds, 'must be greater than 0'))
}

function checkHandler(handler: Handler, path: string, scope: HandlerScope): void {
  const { errors } = scope
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler
  let found = 0
  const first = (name: string) => {
    if (found++ > 0) errors.push(forbidden(`${path}.${name}`, 'may not specify more than 1 handler type'))
    return found === 1
  }
  if (exec !== undefined && first('exec') && (exec.command ?? []).length === 0)
    errors.push(required(`${path}.exec.command`))
  if (httpGet !== undefined && first('httpGet')) checkHttpGet(httpGet, `${path}.httpGet`, errors)
  if (tcpSocket !== undefined && first('tcpSocket')) checkPort(tcpSocket.port, `${path}.tcpSocket.port`, errors)
  if (grpc !== undefined && first('grpc')) checkPort(grpc.port, `${path}.grpc.port`, errors)
  if (sleep !== undefined && first('sleep')) checkSleep(sleep, `${path}.sleep`, scope)
  if (found === 0) errors.push(required(path, 'must specify a handler type'))
}

function checkHttpGet(action: HTTPGetAction, path: string, errors: Errors): void {
  if (!action.path) errors.push(required(`${path}.path`))
  checkPort(action.port, `${path}.port`, errors)
  const { scheme = '' } = action
  if (!SCHEMES.includes(scheme)) errors.push(notSupported(`${path}.scheme`, scheme, SCHEMES))
  for (const { name = '' } of action.httpHeaders ?? [])
    errors.push(...complaints(`${path}.httpHeaders`, name, isHTTPHeaderName(name)))
}

function checkSleep({ seconds }: SleepAction, path: string, { gracePeriod, errors }: HandlerScope): void {
  if (gracePeriod === undefined || (seconds >= 0 && seconds <= gracePeriod)) return
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriod})`
  errors.push(invalid(path, seconds, detail))
}
