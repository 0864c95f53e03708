// Further behaviours of reads: versions and their matches, pages, watch lists, forms of answers, health. reads-recorded.json
// was made from them; `tok` makes a continue token as kube-apiserver's of another time.
const core = '/api/v1/namespaces/{ns}'
const maps = `${core}/configmaps`
const get = (path, more = {}) => ({ method: 'GET', path, ...more })
const post = (name, more = {}) => ({ method: 'POST', path: maps, body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { k: 'v' } }, setup: true, ...more })
const one = (name, ...steps) => ({ name, steps })
const accept = (type, more = {}) => ({ headers: { accept: type }, ...more })
const tok = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const names = { pick: ['items.0.metadata.name', 'items.1.metadata.name', 'items.2.metadata.name', 'metadata.remainingItemCount', 'code', 'message', 'reason'] }
const two = [post('a'), post('b', { save: { rv: 'metadata.resourceVersion' } })]

const matches = ['', 'Exact', 'NotOlderThan', 'exact', 'Other']
const versions = ['', '0', '1x', '{rv}']
const pages = ['', '&limit=1', '&continue=' + tok({ v: 'meta.k8s.io/v1', rv: -1, start: 'a\u0000' })]
const combinations = matches.flatMap((match) => versions.flatMap((version) => pages.map((page) => {
  const query = [match && `resourceVersionMatch=${match}`, version && `resourceVersion=${version}`].filter(Boolean).join('&')
  return `${query}${page}`
})))

export const cases = [
  one('reads/list-combinations', ...two, ...combinations.filter((query) => !query.includes('continue') || /Match|Version=[^0]/.test(query)).map((query) => get(`${maps}?labelSelector=none&${query}`, names))),
  one('reads/watch-combinations', ...two, ...matches.flatMap((match) => versions.flatMap((version) => ['', '&sendInitialEvents=false', '&sendInitialEvents=true&allowWatchBookmarks=true'].map((initial) => `watch=1&timeoutSeconds=1&labelSelector=none&resourceVersion=${version}${match && `&resourceVersionMatch=${match}`}${initial}`)))
    .filter((query) => !/NotOlderThan.*sendInitialEvents|resourceVersion=(&|$)|resourceVersion=(0|\{rv\})(&|$)(?!.*(Match|Initial))/.test(query)).map((query) => get(`${maps}?${query}`, { stream: true }))),
  one('reads/pages', post('a'), post('b'), post('c'), get(`${maps}?limit=2&fieldSelector=metadata.name!=kube-root-ca.crt`, names), get(`${maps}?limit=x`), get(`${maps}?limit=-1`, names), get(`${maps}?continue=xx`, { only: 'status' }), get(`${maps}?continue=${tok({ v: 'meta.k8s.io/v1', rv: 0, start: 'a' })}`, { only: 'status' })),
  one('reads/get-versions', ...two, ...['0', '{rv}', 'x', '-1', '99999999999999999999'].filter((v) => !/^(x|-1|9+)$/.test(v)).map((v) => get(`${maps}/a?resourceVersion=${v}`)), get(`${maps}/a?resourceVersion=9999999`, { drop: ['message'] })),
  one('reads/accept', ...['text/html', 'application/json;as=Table;g=meta.k8s.io;v=v2', 'application/json;as=Other;g=meta.k8s.io;v=v1', 'application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1', 'application/*', 'image/png, */*;q=0.1', 'application/xml, application/json'].flatMap((type) => [get(maps, accept(type)), get(`${maps}?watch=1&timeoutSeconds=1&resourceVersion=0&labelSelector=none`, accept(type, { only: 'status' }))])),
  one('reads/watch-yaml', get(`${maps}?watch=1&timeoutSeconds=1`, accept('application/yaml', { only: 'status' }))),
  one('reads/include-object', ...['', 'None', 'Metadata', 'Object', 'Other'].map((include) => get(`${maps}?labelSelector=none&includeObject=${include}`, accept('application/json;as=Table;v=v1;g=meta.k8s.io', { drop: ['description'] })))),
  one('reads/health', ...['/livez', '/livez/', '/livez/ping', '/livez/etcd?verbose', '/livez/nosuch', '/livez/ping/x', '/readyz/etcd-readiness', '/readyz/informer-sync', '/readyz?exclude=nosuch', '/readyz/shutdown', '/healthz/log', '/livez/poststarthook/rbac/bootstrap-roles'].map((path) => get(path))),
  one('reads/deprecated', get(`${core}/endpoints?labelSelector=none`), get('/api/v1/componentstatuses/none'), get(`${core}/endpoints/none`))
]
