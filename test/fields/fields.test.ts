/** Each field of each kind, as cases.ts says: the answer has to be the one that kube-apiserver gave. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type ServedApi, serveApi } from '../served-api.ts'
import { ADMIN, requestOf } from '../test-api.ts'
import { lineOf, recordedAnswers } from './answers.ts'
import { creatable, type FieldCase, fieldCases, keyOf } from './cases.ts'
import reached from './reached.json' with { type: 'json' }

// Cases that differ, by kind. Lower a number when fewer do; never raise one.

const recorded = recordedAnswers()
let served: ServedApi

beforeAll(async () => {
  served = await serveApi()
  const create = (path: string, name: string) =>
    served.api.handle(requestOf('POST', path, { body: { metadata: { name } }, user: ADMIN }))
  await create('/api/v1/namespaces', 'fields')
  await create('/api/v1/namespaces/fields/serviceaccounts', 'default')
})

afterAll(async () => {
  await served.close()
})

async function answerTo({ path, body }: FieldCase): Promise<string> {
  const text = JSON.stringify(body).replaceAll('{ns}', 'fields')
  const request = requestOf('POST', `${path.replace('{ns}', 'fields')}?dryRun=All`, { body: text, user: ADMIN })
  const { status, headers, body: answer } = await served.api.handle(request)
  if (!('payload' in answer)) throw new Error(`no object answers ${path}`)
  const value = JSON.parse(Buffer.from(answer.payload.bytes()).toString())
  return lineOf({ status, body: value, warning: headers.warning ?? '' })
}

test.each(creatable.map((kind) => [keyOf(kind), kind] as const))(
  '%s',
  async (key, kind) => {
    const differing: string[] = []
    let asked = 0
    for (const one of fieldCases(kind)) {
      const [want, got] = [recorded[one.name], await answerTo(one)]
      asked += 1
      if (got !== want) differing.push(`${one.name}\n  want ${want}\n  got  ${got}`)
    }
    expect(asked).toBeGreaterThan(1)
    const allowed = (reached as Readonly<Record<string, number>>)[key] ?? 0
    if (differing.length > allowed)
      throw new Error(`${differing.length} differ, ${allowed} may:\n${differing.slice(0, 20).join('\n')}`)
  },
  120_000
)
