/** Schemas of custom resources (JSONSchemaProps of apiextensions.k8s.io/v1), and what lies below one. */

export interface ValidationRule {
  readonly rule?: string
  readonly message?: string
  readonly messageExpression?: string
  readonly reason?: string
  readonly fieldPath?: string
  readonly optionalOldSelf?: boolean
}

export interface JsonSchema {
  readonly id?: string
  readonly $ref?: string
  readonly description?: string
  readonly title?: string
  readonly type?: string
  readonly format?: string
  readonly default?: unknown
  readonly example?: unknown
  readonly maximum?: number
  readonly exclusiveMaximum?: boolean
  readonly minimum?: number
  readonly exclusiveMinimum?: boolean
  readonly maxLength?: number
  readonly minLength?: number
  readonly pattern?: string
  readonly maxItems?: number
  readonly minItems?: number
  readonly uniqueItems?: boolean
  readonly multipleOf?: number
  readonly enum?: readonly unknown[]
  readonly maxProperties?: number
  readonly minProperties?: number
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly allOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly not?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly dependencies?: Readonly<Record<string, unknown>>
  readonly additionalItems?: JsonSchema | boolean
  readonly definitions?: Readonly<Record<string, JsonSchema>>
  readonly externalDocs?: unknown
  readonly nullable?: boolean
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
  readonly 'x-kubernetes-embedded-resource'?: boolean
  readonly 'x-kubernetes-int-or-string'?: boolean
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-map-type'?: string
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[]
}

/** The schema of what is none of an object's declared properties; undefined where it says nothing of them. */
export function additionalSchema({ additionalProperties: values }: JsonSchema): JsonSchema | undefined {
  return typeof values === 'object' ? values : undefined
}

export function propertySchema({ properties }: JsonSchema, name: string): JsonSchema | undefined {
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined
}

/** The schemas right below one, by the words of a path: ".properties[a]", ".items". */
export function childSchemas(schema: JsonSchema): readonly (readonly [path: string, schema: JsonSchema])[] {
  const found: [string, JsonSchema][] = []
  const list = (name: 'allOf' | 'oneOf' | 'anyOf') =>
    schema[name]?.forEach((one, i) => {
      found.push([`.${name}[${i}]`, one])
    })
  const additional = additionalSchema(schema)
  if (additional !== undefined) found.push(['.additionalProperties', additional])
  for (const [name, one] of Object.entries(schema.properties ?? {})) found.push([`.properties[${name}]`, one])
  if (schema.not !== undefined) found.push(['.not', schema.not])
  list('allOf')
  list('oneOf')
  list('anyOf')
  for (const [name, one] of Object.entries(schema.definitions ?? {})) found.push([`.definitions[${name}]`, one])
  if (schema.items !== undefined && !Array.isArray(schema.items)) found.push(['.items', schema.items])
  return found
}

export function someSchema(schema: JsonSchema, test: (schema: JsonSchema) => boolean): boolean {
  return test(schema) || childSchemas(schema).some(([, child]) => someSchema(child, test))
}
