/** The way to STS. */
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { AskSts } from '../api/sts-authn.ts'

/** Milliseconds; STS answers within some tens. */
const ANSWER_MS = 5_000
const MAX_BYTES = 64 * 1024

/** Follows no redirect: only the host that was checked is asked. */
export function askSts(): AskSts {
  const agents = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) }
  return ({ url, headers }) =>
    new Promise((resolve, reject) => {
      const secure = url.startsWith('https:')
      const options = { headers, agent: secure ? agents.https : agents.http, timeout: ANSWER_MS }
      const sent = (secure ? httpsRequest : httpRequest)(url, options, (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => {
          text += chunk
          if (text.length > MAX_BYTES) answer.destroy(new Error('the answer is too long'))
        })
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
        answer.on('error', reject)
      })
      sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
      sent.on('error', reject)
      sent.end()
    })
}
