/** ConfigMaps and Secrets. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, required, tooLong } from '../field-errors.ts'
import { JsonError, jsonKind, parseJson } from '../go-json.ts'
import { isObject, ownOf, setOwn } from '../json.ts'
import { byteLength, isConfigMapKey } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { sameValue } from './checks.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import { keyPairWarnings } from './tls-warnings.ts'
import type { ConfigMap, Secret } from './types.ts'

/** All values together, in bytes. */
const MOST_DATA = 1024 * 1024
const IMMUTABLE_SET = 'field is immutable when `immutable` is set'

const configMap = (object: KubeObject) => object as ConfigMap
const secret = (object: KubeObject) => object as Secret

/** The bytes that a base64 text stands for; it is canonical after decoding. */
function decodedLength(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  return (base64.length / 4) * 3 - padding
}

function checkKeys(bag: object | undefined, path: string, errors: FieldError[]): void {
  for (const key of Object.keys(bag ?? {}))
    for (const message of isConfigMapKey(key)) errors.push(invalid(`${path}[${key}]`, key, message))
}

/** What neither kind may change once `immutable` is true. */
function checkImmutable(next: ConfigMap | Secret, old: ConfigMap | Secret, bags: readonly string[]): FieldError[] {
  if (old.immutable !== true) return []
  const errors: FieldError[] = []
  if (next.immutable !== true) errors.push(forbidden('immutable', IMMUTABLE_SET))
  for (const bag of bags) {
    const [now, before] = [next, old].map((one) => ownOf(one as unknown as Record<string, unknown>, bag))
    if (!sameValue(now, before)) errors.push(forbidden(bag, IMMUTABLE_SET))
  }
  return errors
}

function validateConfigMap(object: KubeObject): FieldError[] {
  const { data = {}, binaryData = {} } = configMap(object)
  const errors: FieldError[] = []
  checkKeys(data, 'data', errors)
  for (const key of Object.keys(data))
    if (Object.hasOwn(binaryData, key))
      errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
  checkKeys(binaryData, 'binaryData', errors)
  let size = 0
  for (const value of Object.values(data)) size += byteLength(value)
  for (const value of Object.values(binaryData)) size += decodedLength(value)
  // The empty path of Go's field package prints so.
  if (size > MOST_DATA) errors.push(tooLong('[]', MOST_DATA))
  return errors
}

function secretWarnings(object: KubeObject): readonly string[] {
  const { type, data = {} } = secret(object)
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('latin1')
  return type === 'kubernetes.io/tls' ? keyPairWarnings(text('tls.crt'), text('tls.key')) : []
}

/** stringData is only ever written: it overwrites data and is not kept. */
function defaultSecret(object: KubeObject): void {
  const it = secret(object)
  if (it.stringData !== undefined) {
    const data: Record<string, string> = { ...it.data }
    for (const [key, value] of Object.entries(it.stringData)) setOwn(data, key, Buffer.from(value).toString('base64'))
    it.data = data
    delete it.stringData
  }
  if ((it.type ?? '') === '') it.type = 'Opaque'
}

function validateSecret(object: KubeObject): FieldError[] {
  const it = secret(object)
  const data = it.data ?? {}
  const errors: FieldError[] = []
  checkKeys(data, 'data', errors)
  let size = 0
  for (const value of Object.values(data)) size += decodedLength(value)
  if (size > MOST_DATA) errors.push(tooLong('data', MOST_DATA))
  errors.push(...validateSecretType(it, data))
  return errors
}

const ACCOUNT_NAME = 'kubernetes.io/service-account.name'

function validateSecretType(it: Secret, data: Readonly<Record<string, string>>): FieldError[] {
  const missing = (...keys: string[]) =>
    keys.filter((key) => !Object.hasOwn(data, key)).map((key) => required(`data[${key}]`))
  switch (it.type) {
    case 'kubernetes.io/service-account-token':
      return (it.metadata.annotations?.[ACCOUNT_NAME] ?? '') === ''
        ? [required(`metadata.annotations[${ACCOUNT_NAME}]`)]
        : []
    case 'kubernetes.io/dockercfg':
      return validateDockerConfig(data, '.dockercfg')
    case 'kubernetes.io/dockerconfigjson':
      return validateDockerConfig(data, '.dockerconfigjson')
    case 'kubernetes.io/basic-auth': {
      const absent = missing('username', 'password')
      return absent.length === 2 ? absent : []
    }
    case 'kubernetes.io/ssh-auth':
      return (data['ssh-privatekey'] ?? '') === '' ? [required('data[ssh-privatekey]')] : []
    case 'kubernetes.io/tls':
      return missing('tls.crt', 'tls.key')
    default:
      return []
  }
}

function validateDockerConfig(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const content = data[key]
  if (content === undefined) return [required(`data[${key}]`)]
  const problem = jsonProblem(Buffer.from(content, 'base64').toString())
  return problem === undefined ? [] : [invalid(`data[${key}]`, '<secret contents redacted>', problem)]
}

/** Why Go would not read the text as a JSON object. */
function jsonProblem(text: string): string | undefined {
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    if (error instanceof JsonError) return error.message
    throw error
  }
  if (value === null || isObject(value)) return undefined
  return `json: cannot unmarshal ${jsonKind(value)} into Go value of type map[string]interface {}`
}

export const configKinds: readonly Kind[] = [
  row('v1', 'configmaps', {
    validate: validateConfigMap,
    metadataOnUpdate: 'also as new',
    validateUpdate: (next, old) => checkImmutable(configMap(next), configMap(old), ['data', 'binaryData']),
    cells: (object, now) => {
      const { data = {}, binaryData = {}, metadata } = configMap(object)
      const count = Object.keys(data).length + Object.keys(binaryData).length
      return [metadata.name ?? '', count, age(metadata.creationTimestamp, now)]
    }
  }),
  row('v1', 'secrets', {
    defaults: defaultSecret,
    validate: validateSecret,
    metadataOnUpdate: 'also as new',
    warnings: secretWarnings,
    validateUpdate: (next, old) => {
      const errors = checkImmutable(secret(next), secret(old), ['data'])
      return secret(next).type === secret(old).type
        ? errors
        : [invalid('type', secret(next).type ?? '', 'field is immutable'), ...errors]
    },
    fields: { type: (object) => secret(object).type ?? '' },
    cells: (object, now) => {
      const { type = '', data = {}, metadata } = secret(object)
      return [metadata.name ?? '', type, Object.keys(data).length, age(metadata.creationTimestamp, now)]
    }
  })
]
