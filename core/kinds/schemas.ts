import schemas from './schemas.json' with { type: 'json' }

/** One schema as a real API server publishes it; a `$ref` is the bare name of another. */
export interface Schema {
  readonly $ref?: string
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  readonly format?: string
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly 'x-kubernetes-patch-strategy'?: string
  readonly 'x-kubernetes-patch-merge-key'?: string
}

const all = schemas as unknown as Readonly<Record<string, Schema>>

/** By its name in schemas.json ("io.k8s.api.core.v1.Pod"). An unknown name is a bug. */
export function schemaOf(name: string): Schema {
  const schema = Object.hasOwn(all, name) ? all[name] : undefined
  if (schema === undefined) throw new Error(`schemas.json has no ${name}`)
  return schema
}
