/** What resource claims ask for: devices of a class. Selectors' expressions are read where devices are chosen. */
import { duplicate, invalid, notSupported, required, tooLong, tooMany } from '../field-errors.ts'
import { byteLength, isQualifiedName } from '../names.ts'
import { checkLabel, checkSubdomain, complaints, type Errors } from './checks.ts'
import { checkDriverName } from './pod-volume-sources.ts'
import type {
  DeviceClaim,
  DeviceClassConfiguration,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceToleration,
  ExactDeviceRequest
} from './types.ts'

export const MOST = {
  requests: 32,
  constraints: 32,
  configs: 32,
  selectors: 32,
  firstAvailable: 8,
  tolerations: 16,
  expressionBytes: 10 * 1024,
  parameterBytes: 10 * 1024,
  reserved: 256
} as const

export interface At {
  readonly path: string
  readonly errors: Errors
}

/** Each item in turn; too many are only counted. */
export function checkEach<T>(
  list: readonly T[] | null | undefined,
  most: number,
  { path, errors, check, key }: At & { check: (item: T, path: string) => void; key?: (item: T) => string }
): void {
  const items = list ?? []
  if (items.length > most) {
    errors.push(tooMany(path, items.length, most))
    return
  }
  items.forEach((item, i) => {
    check(item, `${path}[${i}]`)
  })
  if (key === undefined) return
  const seen = new Set<string>()
  items.forEach((item, i) => {
    const value = key(item)
    if (seen.has(value)) errors.push(duplicate(`${path}[${i}]`, value))
    seen.add(value)
  })
}

export function defaultClaimDevices(devices: DeviceClaim | undefined): void {
  const fill = (request: Pick<ExactDeviceRequest, 'allocationMode' | 'count'>) => {
    request.allocationMode ||= 'ExactCount'
    if (request.allocationMode === 'ExactCount') request.count ||= 1
  }
  for (const { exactly, firstAvailable = [] } of devices?.requests ?? []) {
    if (exactly !== undefined) fill(exactly)
    for (const request of firstAvailable) fill(request)
  }
}

export function checkSelectors(selectors: readonly DeviceSelector[] | undefined, { path, errors }: At): void {
  checkEach(selectors, MOST.selectors, {
    path,
    errors,
    check: ({ cel }, at) => {
      if (cel === undefined) errors.push(required(`${at}.cel`))
      else if (byteLength(cel.expression) > MOST.expressionBytes)
        errors.push(tooLong(`${at}.cel.expression`, MOST.expressionBytes))
    }
  })
}

function checkExact(request: ExactDeviceRequest, { path, errors }: At): void {
  const { deviceClassName, selectors, allocationMode: mode, count = 0, tolerations } = request
  if (!deviceClassName) errors.push(required(`${path}.deviceClassName`))
  else checkSubdomain(deviceClassName, `${path}.deviceClassName`, errors)
  checkSelectors(selectors, { path: `${path}.selectors`, errors })
  if (mode === 'All') {
    if (count !== 0) errors.push(invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  } else if (mode === 'ExactCount') {
    if (count <= 0) errors.push(invalid(`${path}.count`, count, 'must be greater than zero'))
  } else errors.push(notSupported(`${path}.allocationMode`, mode ?? '', ['All', 'ExactCount']))
  checkEach(tolerations, MOST.tolerations, {
    path: `${path}.tolerations`,
    errors,
    check: (toleration, at) => checkToleration(toleration, { path: at, errors })
  })
}

function checkToleration({ key, operator, value, effect }: DeviceToleration, { path, errors }: At): void {
  if (key) errors.push(...complaints(`${path}.key`, key, isQualifiedName(key)))
  const operators = ['Equal', 'Exists']
  if (operator === 'Exists') {
    if (value) errors.push(invalid(`${path}.value`, value, 'must be empty for operator `Exists`'))
  } else if (!operator) errors.push(required(`${path}.operator`))
  else if (!operators.includes(operator)) errors.push(notSupported(`${path}.operator`, operator, operators))
  const effects = ['NoExecute', 'NoSchedule', 'None']
  if (effect && !effects.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, effects))
}

function checkRequest(request: DeviceRequest, { path, errors }: At): void {
  const { name, exactly, firstAvailable = [] } = request
  checkLabel(name ?? '', `${path}.name`, errors)
  const several = firstAvailable.length > 0
  const why = 'exactly one of `exactly` or `firstAvailable` is required'
  if (!several && exactly === undefined) errors.push(required(path, why))
  else if (several && exactly !== undefined) errors.push(invalid(path, null, `${why}, but multiple fields are set`))
  else if (exactly !== undefined) checkExact(exactly, { path: `${path}.exactly`, errors })
  else
    checkEach(firstAvailable, MOST.firstAvailable, {
      path: `${path}.firstAvailable`,
      errors,
      key: (one) => one.name,
      check: (one, at) => {
        checkLabel(one.name ?? '', `${at}.name`, errors)
        checkExact(one, { path: at, errors })
      }
    })
}

const NAME_ERROR =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

function checkReferences(names: readonly string[] | undefined, known: ReadonlySet<string>, { path, errors }: At): void {
  checkEach(names, MOST.requests, {
    path,
    errors,
    key: (name) => name,
    check: (name, at) => {
      const segments = name.split('/')
      if (segments.length > 2) {
        errors.push(invalid(at, name, NAME_ERROR))
        return
      }
      for (const segment of segments) checkLabel(segment, at, errors)
      if (!known.has(name)) errors.push(invalid(at, name, NAME_ERROR))
    }
  })
}

/** "model" or "example.com/model": an identifier of C, with a domain before it or none. */
export function checkQualifiedDeviceName(name: string, { path, errors }: At): void {
  const [first = '', second, ...more] = name.split('/')
  if (more.length > 0) return
  if (second === undefined) {
    checkIdentifier(first, { path, errors })
    return
  }
  if (first === '') errors.push(invalid(path, '', 'the domain must not be empty'))
  else checkDriverName(first, path, errors)
  if (second === '') errors.push(invalid(path, '', 'the name must not be empty'))
  else checkIdentifier(second, { path, errors })
}

/** With a domain. */
function checkAttribute(name: string, { path, errors }: At): void {
  checkQualifiedDeviceName(name, { path, errors })
  if (!name.includes('/'))
    errors.push(invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash'))
}

function checkIdentifier(id: string, { path, errors }: At): void {
  if (byteLength(id) > 32) errors.push(tooLong(path, 32))
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(id))
    errors.push(
      invalid(
        path,
        id,
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
      )
    )
}

function checkConstraint(constraint: DeviceConstraint, known: ReadonlySet<string>, { path, errors }: At): void {
  const { requests, matchAttribute, distinctAttribute } = constraint
  checkReferences(requests, known, { path: `${path}.requests`, errors })
  if (matchAttribute !== undefined) checkAttribute(matchAttribute, { path: `${path}.matchAttribute`, errors })
  else if (distinctAttribute !== undefined)
    checkAttribute(distinctAttribute, { path: `${path}.distinctAttribute`, errors })
  else errors.push(required(`${path}.matchAttribute`))
}

export function checkConfiguration({ opaque }: DeviceClassConfiguration, { path, errors }: At): void {
  if (opaque === undefined) {
    errors.push(required(`${path}.opaque`))
    return
  }
  checkDriverName(opaque.driver, `${path}.opaque.driver`, errors)
  const { parameters } = opaque
  const at = `${path}.opaque.parameters`
  if (parameters === undefined || parameters === null) errors.push(required(at))
  else if (byteLength(JSON.stringify(parameters)) > MOST.parameterBytes) errors.push(tooLong(at, MOST.parameterBytes))
  else if (typeof parameters !== 'object' || Array.isArray(parameters))
    errors.push(invalid(at, '<value omitted>', 'must be a valid JSON object'))
}

export function checkDeviceClaim(devices: DeviceClaim, { path, errors }: At): void {
  const requests = devices.requests ?? []
  const known = new Set(
    requests.flatMap(({ name, firstAvailable = [] }) => [name, ...firstAvailable.map((one) => `${name}/${one.name}`)])
  )
  checkEach(requests, MOST.requests, {
    path: `${path}.requests`,
    errors,
    key: ({ name }) => name,
    check: (request, at) => checkRequest(request, { path: at, errors })
  })
  checkEach(devices.constraints, MOST.constraints, {
    path: `${path}.constraints`,
    errors,
    check: (constraint, at) => checkConstraint(constraint, known, { path: at, errors })
  })
  checkEach(devices.config, MOST.configs, {
    path: `${path}.config`,
    errors,
    check: (config, at) => {
      checkReferences(config.requests, known, { path: `${at}.requests`, errors })
      checkConfiguration(config, { path: at, errors })
    }
  })
}
