/**
 * Writes answers.json.gz: what a kube-apiserver answers to every case.
 * Run: node test/fields/record.ts https://127.0.0.1:6443 TOKEN [GROUP/RESOURCE]
 * With a resource, only its cases are asked again.
 * It must have --allow-privileged=true; nothing is kept there but the namespace "fields" and its default account.
 */
import { Agent, request } from 'node:https'
import { type Answered, lineOf, recordedAnswers, writeAnswers } from './answers.ts'
import { creatable, fieldCases, keyOf } from './cases.ts'

const [url = '', token = '', only] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false })
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' }

function post(path: string, body: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { method: 'POST', agent, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const warning = String(response.headers.warning ?? '')
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(parts).toString()), warning })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

await post('/api/v1/namespaces', '{"metadata":{"name":"fields"}}')
await post('/api/v1/namespaces/fields/serviceaccounts', '{"metadata":{"name":"default"}}')
const kinds = creatable.filter((kind) => only === undefined || keyOf(kind) === only)
const cases = kinds.flatMap((kind) => [...fieldCases(kind)])
const answers: Record<string, string> = Object.fromEntries(cases.map(({ name }) => [name, '']))
const rest = cases[Symbol.iterator]()
const work = async () => {
  for (const { name, path, body } of rest) {
    const text = JSON.stringify(body).replaceAll('{ns}', 'fields')
    answers[name] = lineOf(await post(`${path.replace('{ns}', 'fields')}?dryRun=All`, text))
  }
}
await Promise.all(Array.from({ length: 8 }, work))
agent.destroy()
writeAnswers(only === undefined ? answers : { ...recordedAnswers(), ...answers })
process.stdout.write(`${cases.length} answers\n`)
