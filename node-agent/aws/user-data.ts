/** What an instance does at its first start: a shell script for cloud-init, as root. Pure: options -> text. */

export interface UserDataOptions {
  /** Where the agent is: the zip of infra/node-asset.ts. */
  readonly bucket: string
  readonly key: string
  /** Labels of the Node beside those of the instance. */
  readonly labels?: Readonly<Record<string, string>>
  readonly maxPods?: number
  readonly logLevel?: string
}

/** Debian's, beside what its image for EC2 has. The agent runs a containerd of its own, not the distribution's service. */
const PACKAGES = [
  'awscli',
  'ca-certificates',
  'conntrack',
  'containerd',
  'containernetworking-plugins',
  'iproute2',
  'nftables',
  'runc',
  'unzip'
]
const PROGRAM = '/opt/wherry'
const CONFIG = '/etc/wherry/agent.json'
const UNIT = '/etc/systemd/system/wherry-agent.service'

/**
 * Lines of a script (sh is enough). Its environment must have WHERRY_CLUSTER, WHERRY_ENDPOINT_PARAMETER (the name of the
 * parameter that holds the API's URL) and AWS_REGION. Whatever needs the network is tried again until it works: an
 * instance that gave up would be paid for and of no use.
 */
export function userData(options: UserDataOptions): readonly string[] {
  return [
    'export DEBIAN_FRONTEND=noninteractive',
    'again() { until "$@"; do sleep 5; done; }',
    'install_packages() {',
    `  apt-get -q update && apt-get -qy install --no-install-recommends ${PACKAGES.join(' ')}`,
    '}',
    'again install_packages',
    'systemctl disable --now containerd',
    // Loaded by name, where the kernel has them as modules; the agent says what it misses.
    'modprobe -a overlay vxlan nf_tables || true',
    'endpoint=',
    'read_endpoint() {',
    '  endpoint=$(aws ssm get-parameter --name "$WHERRY_ENDPOINT_PARAMETER" --query Parameter.Value --output text)',
    '}',
    'again read_endpoint',
    `again aws s3 cp --only-show-errors ${quoted(`s3://${options.bucket}/${options.key}`)} /tmp/wherry-agent.zip`,
    `mkdir -p ${PROGRAM} ${dirOf(CONFIG)}`,
    `unzip -qo /tmp/wherry-agent.zip -d ${PROGRAM}`,
    'rm /tmp/wherry-agent.zip',
    `chmod 755 ${PROGRAM}/node`,
    ...file(CONFIG, configLines(options)),
    ...file(UNIT, UNIT_LINES),
    'systemctl daemon-reload',
    'systemctl enable --now wherry-agent'
  ]
}

/** The agent's configuration (instance-config.ts). The shell fills in what it knows. */
function configLines({ labels, maxPods, logLevel }: UserDataOptions): string[] {
  const known = {
    ...(labels === undefined ? {} : { labels }),
    ...(maxPods === undefined ? {} : { maxPods }),
    ...(logLevel === undefined ? {} : { logLevel })
  }
  const rest = Object.entries(known).map(([name, value]) => `,\n  "${name}": ${escaped(JSON.stringify(value))}`)
  return [`{`, `  "cluster": "$WHERRY_CLUSTER",`, `  "apiServer": "$endpoint"${rest.join('')}`, '}']
}

/**
 * The agent alone is killed and started again: containerd and the pods' shims stand in its cgroup, and go on. It is the
 * last that the kernel may end for want of memory.
 */
const UNIT_LINES = [
  '[Unit]',
  'Description=Node agent of the Wherry cluster $WHERRY_CLUSTER',
  'Wants=network-online.target',
  'After=network-online.target',
  '[Service]',
  'Environment=AWS_REGION=$AWS_REGION',
  `ExecStart=${PROGRAM}/node --no-warnings ${PROGRAM}/main.mjs --config ${CONFIG}`,
  'Restart=always',
  'RestartSec=1',
  'KillMode=process',
  'Delegate=yes',
  'OOMScoreAdjust=-999',
  'LimitNOFILE=1048576',
  'TasksMax=infinity',
  '[Install]',
  'WantedBy=multi-user.target'
]

/** A here-document, in which the shell replaces variables. */
function file(path: string, lines: readonly string[]): string[] {
  return [`cat > ${path} <<WHERRY_END`, ...lines, 'WHERRY_END']
}

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** For a here-document: text in which the shell replaces nothing. */
function escaped(text: string): string {
  return text.replace(/[\\$`]/g, '\\$&')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
