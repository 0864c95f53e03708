/** For tests: an object with every field of its schema set. */
import { type Schema, schemaOf } from '../core/kinds/schemas.ts'

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const CRD = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'
/** Schemas that hold themselves go no deeper. */
const DEEPEST = 12

const VALUES: Readonly<Record<string, unknown>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': '1500m',
  [`${META}.Time`]: '2026-05-01T12:00:00Z',
  [`${META}.MicroTime`]: '2026-05-01T12:00:00.123456Z',
  [`${META}.FieldsV1`]: { 'f:spec': { 'f:a': {}, 'k:{"x":1}': {} } },
  'io.k8s.apimachinery.pkg.runtime.RawExtension': { apiVersion: 'v1', kind: 'ConfigMap', data: { é: '☃' } },
  [`${CRD}.JSON`]: { a: [1, 'x', null, true] },
  [`${CRD}.CustomResourceSubresourceStatus`]: {}
}

/** `seed` makes one object's numbers and texts differ from another's. */
export function sampleOf(name: string, seed: number): unknown {
  return new Sampler(seed).named(name, 0)
}

class Sampler {
  private count: number

  constructor(seed: number) {
    this.count = seed * 1000
  }

  named(name: string, depth: number): unknown {
    if (Object.hasOwn(VALUES, name)) return VALUES[name]
    const odd = ++this.count % 2 === 1
    switch (name) {
      case 'io.k8s.apimachinery.pkg.util.intstr.IntOrString':
        return odd ? this.count : `${this.count}%`
      case `${CRD}.JSONSchemaPropsOrBool`:
        return odd ? false : this.schemaProps(depth)
      case `${CRD}.JSONSchemaPropsOrArray`:
        return odd ? [this.schemaProps(depth), this.schemaProps(depth)] : this.schemaProps(depth)
      case `${CRD}.JSONSchemaPropsOrStringArray`:
        return odd ? ['x', 'y'] : this.schemaProps(depth)
    }
    return this.of(schemaOf(name), depth)
  }

  private schemaProps(depth: number): unknown {
    return depth > 4 ? { type: 'string' } : this.named(`${CRD}.JSONSchemaProps`, depth)
  }

  of(schema: Schema, depth: number): unknown {
    if (schema.$ref !== undefined) {
      if (schema.$ref === `${CRD}.JSONSchemaProps` && depth > 4) return { type: 'string' }
      return this.named(schema.$ref, depth + 1)
    }
    if (schema.additionalProperties !== undefined) {
      const { additionalProperties } = schema
      return { 'key.b/c': this.of(additionalProperties, depth + 1), é: this.of(additionalProperties, depth + 1) }
    }
    switch (schema.type) {
      case 'array':
        return [this.of(schema.items ?? {}, depth + 1), this.of(schema.items ?? {}, depth + 1)]
      case 'integer':
        return this.integer(schema.format)
      case 'number':
        return ++this.count / 4
      case 'boolean':
        return ++this.count % 2 === 0
      case 'string':
        return schema.format === 'byte'
          ? Buffer.from(`bytes \xff ${++this.count}`, 'latin1').toString('base64')
          : `text ☃ ${++this.count}`
      default:
        return this.object(schema, depth)
    }
  }

  private integer(format: string | undefined): number {
    const n = ++this.count
    if (n % 5 === 0) return 0
    if (n % 3 === 0) return format === 'int64' ? -n * 2 ** 33 : -n * 1000
    return format === 'int64' ? n * 2 ** 33 + 1 : n
  }

  private object(schema: Schema, depth: number): unknown {
    if (depth > DEEPEST) return {}
    const out: Record<string, unknown> = {}
    // An object within another has no type of its own.
    const typed = 'x-kubernetes-group-version-kind' in schema
    for (const [field, of] of Object.entries(schema.properties ?? {})) {
      if (!typed || (field !== 'kind' && field !== 'apiVersion')) out[field] = this.of(of, depth + 1)
    }
    return out
  }
}
