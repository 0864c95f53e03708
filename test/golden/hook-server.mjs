// The admission webhooks of recorded cases, on loopback. What one answers stands in its path:
//   /say/BASE64URL   an AdmissionReview with this response (JSON); the request's uid is filled in
//   /raw/BASE64URL   this body ({status, body, type}), whatever was asked
//   /echo            a refusal whose message is the request as sorted JSON, volatile values masked
//   /count/NAME      allows, and adds NAME to the annotation "calls" of the object, by patch
//   /slow            never answers
import https from 'node:https'
import { createAuthority, issueCertificate } from '../../lambdas/api/certificates.ts'
import { systemPorts, silentLog } from '../../core/system-ports.ts'

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function masked (value, key) {
  if (Array.isArray(value)) return value.map((one) => masked(one, key))
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.keys(value).sort().filter((name) => name !== 'managedFields' && value[name] !== undefined).map((name) => [name, masked(value[name], name)]))
  if (typeof value !== 'string') return value
  if (key === 'resourceVersion') return '<version>'
  return UID.test(value) ? '<uid>' : TIME.test(value) ? '<time>' : value.replace(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-<gen>')
}

function answer (path, review) {
  const { request } = review
  const say = (response) => ({ status: 200, type: 'application/json', body: JSON.stringify({ apiVersion: review.apiVersion, kind: 'AdmissionReview', response: { uid: request.uid, ...response } }) })
  const [, verb, text] = path.split('/')
  const given = text === undefined || verb === 'count' ? undefined : JSON.parse(Buffer.from(text, 'base64url').toString())
  if (verb === 'say') return say({ ...given, ...(given.patch === undefined ? {} : { patch: Buffer.from(JSON.stringify(given.patch)).toString('base64') }) })
  if (verb === 'raw') return { status: 200, type: 'application/json', ...given, body: (given.body ?? '').replaceAll('{uid}', request.uid) }
  if (verb === 'echo') return say({ allowed: false, status: { message: JSON.stringify(masked({ ...review, request: { ...request, userInfo: { ...request.userInfo, ...(request.userInfo.username === 'admin' ? { uid: undefined } : {}) } } })) } })
  if (verb === 'count') {
    const before = request.object.metadata.annotations?.calls
    const patch = request.object.metadata.annotations === undefined ? { op: 'add', path: '/metadata/annotations', value: { calls: text } } : { op: 'add', path: '/metadata/annotations/calls', value: before === undefined ? text : `${before},${text}` }
    return say({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify([patch])).toString('base64') })
  }
  return { status: 404, type: 'text/plain', body: 'no such hook' }
}

/** Resolves to what cases name: {hook} (https://127.0.0.1:PORT), {hookPort}, {hookCa} and {otherCa} (base64). */
export async function serveHooks () {
  const { ids } = systemPorts(silentLog)
  const span = { notBefore: Date.now() - 3_600_000, notAfter: Date.now() + 86_400_000, ids }
  const [authority, other] = await Promise.all([createAuthority({ commonName: 'hooks', ...span }), createAuthority({ commonName: 'others', ...span })])
  const own = await issueCertificate(authority, { commonName: 'hook', hosts: ['127.0.0.1'], ...span })
  const server = https.createServer({ key: own.key, cert: own.certificate }, (request, response) => {
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const { pathname } = new URL(request.url, 'https://x')
      if (pathname === '/slow') return
      const { status, type, body } = answer(pathname, JSON.parse(Buffer.concat(chunks).toString()))
      response.writeHead(status, { 'content-type': type }).end(body)
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const { port } = server.address()
  const base64 = (text) => Buffer.from(text).toString('base64')
  return { hook: `https://127.0.0.1:${port}`, hookPort: String(port), hookCa: base64(authority.certificate), otherCa: base64(other.certificate) }
}
