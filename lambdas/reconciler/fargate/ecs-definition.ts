/** A task's definition as ECS wants it. Pure. */
import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { DISK } from './fargate-sizes.ts'
import type { TaskContainer, TaskDefinition } from './tasks.ts'

/** The configuration of Fargate: WHERRY_FARGATE (docs/adr/0006-aws.md). */
export interface FargateSettings {
  /** The ECS cluster's name. */
  readonly cluster: string
  readonly subnets: readonly string[]
  readonly securityGroups: readonly string[]
  /** Pulls images and writes logs. */
  readonly executionRole?: string
  /** What the containers may do in AWS; absent: nothing. */
  readonly taskRole?: string
  /** Absent: what containers print is lost. */
  readonly logGroup?: string
  readonly region: string
  /** Whether tasks get a public address: they need one to pull images where the subnet has no NAT. */
  readonly publicIp?: boolean
  readonly arch?: 'arm64' | 'amd64'
}

export function definitionInput(definition: TaskDefinition, settings: FargateSettings, pod: string) {
  const { executionRole, taskRole, arch = 'arm64' } = settings
  return {
    requiresCompatibilities: ['FARGATE' as const],
    networkMode: 'awsvpc' as const,
    cpu: String(definition.cpu),
    memory: String(definition.memory),
    runtimePlatform: {
      operatingSystemFamily: 'LINUX' as const,
      cpuArchitecture: arch === 'arm64' ? ('ARM64' as const) : ('X86_64' as const)
    },
    ...(executionRole === undefined ? {} : { executionRoleArn: executionRole }),
    ...(taskRole === undefined ? {} : { taskRoleArn: taskRole }),
    ...(definition.disk > DISK.included ? { ephemeralStorage: { sizeInGiB: definition.disk } } : {}),
    ...(definition.sharesProcesses ? { pidMode: 'task' as const } : {}),
    volumes: definition.volumes.map((name) => ({ name })),
    containerDefinitions: definition.containers.map((container) => containerInput(container, settings, pod))
  }
}

function containerInput(
  container: TaskContainer,
  { logGroup, region }: FargateSettings,
  pod: string
): ContainerDefinition {
  const { check, addCapabilities, dropCapabilities } = container
  const capabilities = {
    ...(addCapabilities.length === 0 ? {} : { add: [...addCapabilities] }),
    ...(dropCapabilities.length === 0 ? {} : { drop: [...dropCapabilities] })
  }
  return {
    name: container.name,
    image: container.image,
    essential: container.essential,
    ...(container.entryPoint === undefined ? {} : { entryPoint: [...container.entryPoint] }),
    ...(container.command === undefined ? {} : { command: [...container.command] }),
    environment: Object.entries(container.environment).map(([name, value]) => ({ name, value })),
    cpu: container.cpu,
    ...(container.memory === undefined ? {} : { memory: container.memory }),
    ...(container.reserved === undefined ? {} : { memoryReservation: container.reserved }),
    ...(container.workingDir === undefined ? {} : { workingDirectory: container.workingDir }),
    ...(container.user === undefined ? {} : { user: container.user }),
    ...(container.readOnlyRoot === true ? { readonlyRootFilesystem: true } : {}),
    portMappings: container.ports.map(({ port, protocol }) => ({ containerPort: port, protocol })),
    dependsOn: container.after.map(({ name, condition }) => ({ containerName: name, condition })),
    mountPoints: container.mounts.map(({ volume, path, readOnly }) => ({
      sourceVolume: volume,
      containerPath: path,
      readOnly
    })),
    ...(check === undefined ? {} : { healthCheck: { ...check, command: [...check.command] } }),
    stopTimeout: container.stopTimeout,
    ...(container.tty ? { pseudoTerminal: true } : {}),
    ...(Object.keys(capabilities).length === 0 ? {} : { linuxParameters: { capabilities } }),
    ...(logGroup === undefined
      ? {}
      : {
          logConfiguration: {
            logDriver: 'awslogs' as const,
            options: { 'awslogs-group': logGroup, 'awslogs-region': region, 'awslogs-stream-prefix': pod }
          }
        })
  }
}
