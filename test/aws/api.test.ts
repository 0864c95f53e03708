import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ScanCommand } from '@aws-sdk/client-dynamodb'
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { jest } from '@jest/globals'
import { signToken } from '../../core/aws-token.ts'
import { bundle } from '../../infra/bundle.ts'
import { ApiHistory } from '../contract/api-history.ts'
import { replay } from '../golden/replay.ts'
import { describeWith } from '../requires.ts'
import { serveApi } from '../served-api.ts'
import { type Emulator, lacksForEmulator, startEmulator } from './emulator.ts'
import { type GatewayServer, serveGateway } from './gateway-server.ts'
import { LiveStage } from './live-stage.ts'
import { connect, createTable, emulatorClient } from './table.ts'

// The function "api" in this process, with its table, parameters, queues and STS in the emulator.

jest.setTimeout(60_000)

const REGION = 'us-east-1'
const KEYS = { accessKeyId: 'test', secretAccessKey: 'test' }
const NODE = 'i-0123456789abcdef0'

/** Of the recorded exchanges those that differ, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'auth/self': 'an AWS principal has a uid and says in its extra fields which one it is'
}

/** What Lambda's runtime gives a function that streams; prints the answer's head, then each line when it comes. */
const STREAM_PROBE = `
import { Writable } from 'node:stream'
const print = (value) => process.stdout.write(JSON.stringify(value) + '\\n')
globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: { from: (stream, head) => { print({ head }); return stream } }
}
const { handler } = await import(process.argv[1])
const sink = new Writable({ write(chunk, _, done) { for (const line of String(chunk).split('\\n')) if (line !== '') print({ line: JSON.parse(line) }); done() } })
const event = { httpMethod: 'GET', path: '/api/v1/namespaces/default/configmaps', headers: { Authorization: 'Bearer ' + process.env.PROBE_TOKEN }, queryStringParameters: JSON.parse(process.env.PROBE_QUERY), requestContext: { stage: 'prod' }, body: null, isBase64Encoded: false }
await handler(event, sink, { getRemainingTimeInMillis: () => 30000 })
`

describeWith(lacksForEmulator('ministack'), 'the API as a function', () => {
  let emulator: Emulator
  let server: GatewayServer
  let token: string
  const environment = { ...process.env }

  beforeAll(async () => {
    emulator = await startEmulator('ministack')
    await createTable(emulator.endpoint, 'wherry-dev')
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: emulator.endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
      WHERRY_CLUSTER: 'dev',
      WHERRY_TABLE: 'wherry-dev',
      WHERRY_PARAMETERS: '/wherry/dev',
      // As the embedded API of the same test says it.
      WHERRY_ENDPOINT: 'https://192.0.2.2:16443/prod',
      WHERRY_ADMIN_ARN: 'arn:aws:iam::000000000000:root',
      WHERRY_NODE_ROLE_ARN: 'arn:aws:iam::000000000000:role/wherry-dev-node'
    })
    delete process.env.WHERRY_STREAMING
    const { handler } = await import('../../lambdas/api/handler.ts')
    server = await serveGateway(handler as unknown as Parameters<typeof serveGateway>[0])
    token = await signToken({ cluster: 'dev', region: REGION, credentials: KEYS, now: Date.now() })
  }, 240_000)
  afterAll(async () => {
    process.env = environment
    await server?.close()
    await emulator?.stop()
  })

  const ask = async (method: string, path: string, body?: object | Uint8Array, bearer = token) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json'
      },
      ...(body === undefined ? {} : { body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body) })
    })
    const text = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind
    return { status: response.status, text, json: () => JSON.parse(text) as any }
  }

  test('knows its deployer by a token that STS answers for, and nobody else', async () => {
    const review = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' }
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    expect((await ask('POST', path, review)).json().status.userInfo).toMatchObject({
      username: 'kubernetes-admin',
      groups: ['system:masters', 'system:authenticated']
    })
    const elsewhere = await signToken({ cluster: 'dev', region: REGION, credentials: KEYS, now: Date.now() - 900_000 })
    expect((await ask('POST', path, review, elsewhere)).status).toBe(401)
    expect((await ask('GET', '/api/v1/pods', undefined, 'nonsense')).status).toBe(401)
  })

  test('keeps its keys in one parameter that is a secret', async () => {
    const ssm = new SSMClient({ endpoint: emulator.endpoint, region: REGION, credentials: KEYS })
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: '/wherry/dev/keys', WithDecryption: true }))
    expect([Parameter?.Type, Parameter?.Version, Number(Parameter?.Value?.length) < 4096]).toEqual([
      'SecureString',
      1,
      true
    ])
    const { keys } = (await ask('GET', '/openid/v1/jwks')).json()
    expect(keys).toMatchObject([{ use: 'sig', kty: 'EC', alg: 'ES256' }])
    ssm.destroy()
  })

  test('writes no Secret into the table in the clear', async () => {
    const secret = {
      kind: 'Secret',
      apiVersion: 'v1',
      metadata: { name: 's' },
      stringData: { password: 'correct horse' }
    }
    expect((await ask('POST', '/api/v1/namespaces/default/secrets', secret)).status).toBe(201)
    const read = (await ask('GET', '/api/v1/namespaces/default/secrets/s')).json()
    expect(Buffer.from(read.data.password, 'base64').toString()).toBe('correct horse')
    const client = emulatorClient(emulator.endpoint)
    const { Items = [] } = await client.send(new ScanCommand({ TableName: 'wherry-dev' }))
    const sealed = Items.filter(({ p }) => p?.S === 'secrets' || p?.S === 'log#secrets')
    expect(sealed).toHaveLength(2)
    const { unpack } = await import('../../store/backends/compression.ts')
    for (const { b } of sealed) {
      const bytes = Buffer.from(unpack(b?.B ?? new Uint8Array())).toString('latin1')
      expect(bytes).not.toMatch(/password|correct|Secret|Y29ycmVjd/)
      expect(bytes.length).toBeGreaterThan(50)
    }
    client.destroy()
  })

  test("passes on a node's log: rung in its queue, posted by its agent", async () => {
    const sqs = new SQSClient({ endpoint: emulator.endpoint, region: REGION, credentials: KEYS })
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: `wherry-dev-node-${NODE}` }))
    const annotations = { 'wherry.dev/queue-url': QueueUrl }
    const node = { kind: 'Node', apiVersion: 'v1', metadata: { name: NODE, annotations } }
    expect((await ask('POST', '/api/v1/nodes', node)).status).toBe(201)
    const account = { kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'default' } }
    expect((await ask('POST', '/api/v1/namespaces/default/serviceaccounts', account)).status).toBe(201)
    const spec = { nodeName: NODE, containers: [{ name: 'c', image: 'i' }] }
    const pod = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'web' }, spec }
    expect((await ask('POST', '/api/v1/namespaces/default/pods', pod)).status).toBe(201)
    const reading = ask('GET', '/api/v1/namespaces/default/pods/web/log?tailLines=2')
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))
    const { relay } = JSON.parse(Messages?.[0]?.Body ?? '{}') as { relay: { id: string; path: string } }
    expect(relay.path).toBe('/containerLogs/default/web/c?tailLines=2')
    const agent = await nodeToken()
    const post = (query: string, text: string, bearer = agent) =>
      ask('POST', `/wherry/v1/relay/${relay.id}?${query}`, Buffer.from(text), bearer)
    expect((await post('piece=0&status=200', 'x', token)).status).toBe(403)
    expect((await post('piece=0&status=200', 'one\n')).status).toBe(200)
    expect((await post('piece=1&end=true', 'two\n')).status).toBe(200)
    expect(await reading).toMatchObject({ status: 200, text: 'one\ntwo\n' })
    expect((await post('piece=2', 'late')).status).toBe(410)
    sqs.destroy()
  })

  /** One that anybody may take, as an instance takes its own. */
  async function createRole(RoleName: string): Promise<void> {
    const { CloudFormationClient, CreateStackCommand, waitUntilStackCreateComplete } = await import(
      '@aws-sdk/client-cloudformation'
    )
    const client = new CloudFormationClient({ endpoint: emulator.endpoint, region: REGION, credentials: KEYS })
    const trust = { Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }
    const AssumeRolePolicyDocument = { Version: '2012-10-17', Statement: [trust] }
    const Role = { Type: 'AWS::IAM::Role', Properties: { RoleName, AssumeRolePolicyDocument } }
    const TemplateBody = JSON.stringify({ Resources: { Role } })
    const StackName = `${RoleName}-role`
    await client.send(new CreateStackCommand({ StackName, TemplateBody, Capabilities: ['CAPABILITY_NAMED_IAM'] }))
    await waitUntilStackCreateComplete({ client, maxWaitTime: 30, minDelay: 1 }, { StackName })
    client.destroy()
  }

  /** What an instance with the node's role signs. */
  async function nodeToken(): Promise<string> {
    const { AssumeRoleCommand, STSClient } = await import('@aws-sdk/client-sts')
    await createRole('wherry-dev-node')
    const sts = new STSClient({ endpoint: emulator.endpoint, region: REGION, credentials: KEYS })
    const role = { RoleArn: process.env.WHERRY_NODE_ROLE_ARN, RoleSessionName: NODE }
    const { Credentials } = await sts.send(new AssumeRoleCommand(role))
    sts.destroy()
    const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = Credentials ?? {}
    const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken }
    return await signToken({ cluster: 'dev', region: REGION, credentials, now: Date.now() })
  }

  test('answers a watch whole, and the next one goes on after it', async () => {
    const path = '/api/v1/namespaces/default/configmaps'
    const create = (name: string) => ask('POST', path, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name } })
    const { metadata } = (await ask('GET', path)).json()
    const seen: string[] = []
    let version: string = metadata.resourceVersion
    for (const name of ['w1', 'w2', 'w3']) {
      const watching = ask('GET', `${path}?watch=true&allowWatchBookmarks=true&resourceVersion=${version}`)
      await create(name)
      for (const line of (await watching).text.split('\n').filter(Boolean)) {
        const { type, object } = JSON.parse(line)
        version = object.metadata.resourceVersion
        if (type !== 'BOOKMARK') seen.push(`${type} ${object.metadata.name}`)
      }
    }
    expect(seen).toEqual(['ADDED w1', 'ADDED w2', 'ADDED w3'])
  })

  test('streams where the integration can: the bundled function, in a process as Lambda runs it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wherry-bundle-'))
    const path = '/api/v1/namespaces/default/configmaps'
    try {
      const { entryBytes } = await bundle(join(import.meta.dirname, '..', '..', 'lambdas', 'api', 'handler.ts'), folder)
      expect(entryBytes).toBeLessThan(1_500_000)
      const { metadata } = (await ask('GET', path)).json()
      const query = { watch: 'true', resourceVersion: metadata.resourceVersion, timeoutSeconds: '20' }
      const env = { ...process.env, WHERRY_STREAMING: 'true', PROBE_TOKEN: token, PROBE_QUERY: JSON.stringify(query) }
      const args = ['--input-type=module', '-e', STREAM_PROBE, join(folder, 'index.mjs')]
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
      const printed: {
        head?: { statusCode: number }
        line?: { type: string; object: { metadata: { name: string } } }
      }[] = []
      for await (const text of createInterface(child.stdout)) {
        printed.push(JSON.parse(text))
        // Each comes before the next thing happens: nothing is held back.
        if (printed.length > 3) break
        const name = `stream-${printed.length}`
        await ask('POST', path, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name } })
      }
      child.kill()
      expect(printed[0]?.head?.statusCode).toBe(200)
      const seen = printed.slice(1).map(({ line }) => `${line?.type} ${line?.object.metadata.name}`)
      expect(seen).toEqual(['ADDED stream-1', 'ADDED stream-2', 'ADDED stream-3'])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }, 60_000)

  test('matches the recorded exchanges that the embedded cluster matches, but for those named above', async () => {
    const embedded = await serveApi()
    const there = await replay({ server: `http://127.0.0.1:${server.port}`, token }, 'recorded.json')
    const here = await replay(embedded, 'recorded.json')
    await embedded.close()
    const known = new Set([...here.report.map((one) => one.case), ...Object.keys(DIFFERENT)])
    const differing = there.report.map((one) => one.case).filter((name) => !known.has(name))
    process.stdout.write(
      `golden through API Gateway's events: ${there.pass} of ${there.pass + there.fail}, ${here.pass} embedded; ${server.invocations()} invocations\n`
    )
    expect(differing).toEqual([])
  }, 300_000)

  test('clients of functions that really run at once, die, stall and lose answers see one order', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const table = { endpoint: emulator.endpoint, table: `history-${seed}` }
      await createTable(table.endpoint, table.table)
      const backends = Array.from({ length: 4 }, () => connect(table))
      const truth = connect(table)
      const faults = { death: 0.04, stall: 0.07, lostAnswer: 0.05, anyCall: 0.002 }
      const stage = new LiveStage(seed, backends, faults)
      const run = new ApiHistory({ stage, truth, writes: 5, remainingMs: [6_000, 8_000] }).run()
      const { problems, happened } = await run
      process.stdout.write(`history over the API on ministack, seed ${seed}: ${JSON.stringify(happened)}\n`)
      expect([seed, problems]).toEqual([seed, []])
      for (const backend of [...backends, truth]) await backend.close()
    }
  }, 240_000)
})
