/** Validation of environment variables. */
import { invalid, required } from '../field-errors.ts'
import { isConfigMapKey, isDNS1123Subdomain, isEnvVarName } from '../names.ts'
import { checkLabel, complaints, type Errors } from './checks.ts'
import { checkLocalPath } from './paths.ts'
import { checkFieldRef, checkResourceFieldRef, ENV_FIELDS } from './pod-refs.ts'
import type { EnvFromSource, EnvVar, FileKeySelector } from './types.ts'

export function checkEnv(variables: readonly EnvVar[], path: string, errors: Errors): void {
  variables.forEach((variable, i) => {
    const at = `${path}[${i}]`
    if (!variable.name) errors.push(required(`${at}.name`))
    else {
      const messages = isEnvVarName(variable.name)
      if (messages.length > 0) errors.push(...complaints(`${at}.name`, variable.name, messages))
    }
    if (variable.valueFrom !== undefined) checkValueFrom(variable, `${at}.valueFrom`, errors)
  })
}

function checkValueFrom({ value, valueFrom }: EnvVar, path: string, errors: Errors): void {
  if (valueFrom === undefined) return
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom
  if (fieldRef !== undefined) checkFieldRef(fieldRef, `${path}.fieldRef`, { allowed: ENV_FIELDS, errors })
  if (resourceFieldRef !== undefined)
    checkResourceFieldRef(resourceFieldRef, `${path}.resourceFieldRef`, { named: false, errors })
  if (configMapKeyRef !== undefined) checkKeyRef(configMapKeyRef, `${path}.configMapKeyRef`, errors)
  if (secretKeyRef !== undefined) checkKeyRef(secretKeyRef, `${path}.secretKeyRef`, errors)
  if (fileKeyRef !== undefined) checkFileKey(fileKeyRef, `${path}.fileKeyRef`, errors)
  const given = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef]
  const sources = given.filter((source) => source !== undefined).length
  if (sources === 0)
    errors.push(
      invalid(
        path,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'
      )
    )
  else if (value) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (sources > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
}

function checkKeyRef({ name, key }: { name?: string | undefined; key: string }, path: string, errors: Errors): void {
  errors.push(...complaints(`${path}.name`, name ?? '', isDNS1123Subdomain(name ?? '')))
  if (!key) errors.push(required(`${path}.key`))
  else errors.push(...complaints(`${path}.key`, key, isConfigMapKey(key)))
}

function checkFileKey({ key, path: file, volumeName }: FileKeySelector, path: string, errors: Errors): void {
  if (!key) errors.push(required(`${path}.key`))
  else errors.push(...complaints(`${path}.key`, key, isEnvVarName(key)))
  if (!volumeName) errors.push(required(`${path}.volumeName`))
  else checkLabel(volumeName, `${path}.volumeName`, errors)
  if (!file) errors.push(required(`${path}.path`))
  else checkLocalPath(file, `${path}.path`, errors)
}

export function checkEnvFrom(sources: readonly EnvFromSource[], path: string, errors: Errors): void {
  sources.forEach(({ prefix, configMapRef, secretRef }, i) => {
    const at = `${path}[${i}]`
    if (prefix) errors.push(...complaints(`${at}.prefix`, prefix, isEnvVarName(prefix)))
    if (configMapRef !== undefined) checkSourceName(configMapRef.name, `${at}.configMapRef.name`, errors)
    if (secretRef !== undefined) checkSourceName(secretRef.name, `${at}.secretRef.name`, errors)
    if (configMapRef === undefined && secretRef === undefined)
      errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'))
    else if (configMapRef !== undefined && secretRef !== undefined)
      errors.push(invalid(path, '', 'may not have more than one field specified at a time'))
  })
}

/** A trailing dash passes here, as in the prefix of a generated name. */
function checkSourceName(name: string | undefined, path: string, errors: Errors): void {
  if (!name) {
    errors.push(required(path))
    return
  }
  const checked = name.endsWith('-') && name.length > 1 ? `${name.slice(0, -1)}a` : name
  errors.push(...complaints(path, name, isDNS1123Subdomain(checked)))
}
