/** Server-side apply to .../scale: what the configuration says of the Scale, over who owns the object's replicas. */
import type { ApiResponse } from '../../../core/http.ts'
import type { ScalePaths } from '../../../core/kinds/kind.ts'
import { apply } from '../../../core/merge/apply.ts'
import { decode } from '../../../core/validate.ts'
import { checkConfiguration, refuseDuplicates } from '../apply.ts'
import { configurationOf } from '../apply-body.ts'
import { setEntries } from '../field-manager.ts'
import { writeOptions } from '../options.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'
import { checkName } from '../update.ts'
import { changeScale, SCALE, scaleOf, scaleType, scaleWriter } from './scale.ts'
import { entriesOfScale } from './scale-fields.ts'

export async function applyScale(at: ResourceRequest, context: ApiContext, paths: ScalePaths): Promise<ApiResponse> {
  const options = writeOptions(at.request.query, 'PatchOptions', true)
  const { value: patch, duplicates } = await configurationOf(at.request)
  return await changeScale(at, context, {
    paths,
    dryRun: options.dryRun,
    warnings: () => (options.fieldValidation === 'Ignore' ? [] : duplicates),
    owners: true,
    next: async (old) => {
      const type = scaleType()
      checkConfiguration(type, patch, SCALE)
      const live = { ...scaleOf(old, paths) }
      const { object, entries } = apply({
        type,
        live,
        patch,
        entries: entriesOfScale(old.metadata.managedFields ?? [], paths.specReplicas),
        writer: scaleWriter(at, context),
        force: options.force
      })
      if (options.fieldValidation === 'Strict') refuseDuplicates(duplicates)
      const next = decode(SCALE, object ?? live).object
      checkName(next, at)
      setEntries(next, entries)
      return next
    }
  })
}
