/** The format of flow log records ("Flow log records", VPC User Guide): fields, what they show, and the version that a choice of them makes. */
import type { FlowCount } from '../../../planes/fabric/types.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';

/** A record's subject: an interface in a window of time, and a flow or the reason why there is none. Times are in seconds. */
export interface RecordSubject {
  account: string;
  region: string;
  interfaceId: string;
  primaryAddress: string;
  vpcId: string;
  subnetId: string;
  zoneId: string;
  instanceId?: string | undefined;
  start: number;
  end: number;
  flow: FlowCount | 'NODATA' | 'SKIPDATA';
}

interface Field {
  version: number;
  read: (subject: RecordSubject, flow: FlowCount | undefined) => string | number | undefined;
}

const isIp6 = (address: string) => address.includes(':');

/** The interface's own side shows its primary private address, whichever of its addresses the packet has (IPv6: the packet's). */
function shown({ primaryAddress }: RecordSubject, flow: FlowCount, side: 'source' | 'target'): string {
  const own = flow.direction === 'out' ? 'source' : 'target';
  return side === own && !isIp6(flow[side]) ? primaryAddress : flow[side];
}

const fields: Readonly<Record<string, Field>> = {
  version: { version: 2, read: () => undefined },
  'account-id': { version: 2, read: ({ account }) => account },
  'interface-id': { version: 2, read: ({ interfaceId }) => interfaceId },
  srcaddr: { version: 2, read: (subject, flow) => flow && shown(subject, flow, 'source') },
  dstaddr: { version: 2, read: (subject, flow) => flow && shown(subject, flow, 'target') },
  srcport: { version: 2, read: (_, flow) => flow?.sourcePort },
  dstport: { version: 2, read: (_, flow) => flow?.targetPort },
  protocol: { version: 2, read: (_, flow) => flow?.protocol },
  packets: { version: 2, read: (_, flow) => flow?.packets },
  bytes: { version: 2, read: (_, flow) => flow?.bytes },
  start: { version: 2, read: ({ start }) => start },
  end: { version: 2, read: ({ end }) => end },
  action: { version: 2, read: (_, flow) => flow && (flow.accepted ? 'ACCEPT' : 'REJECT') },
  'log-status': { version: 2, read: ({ flow }) => (typeof flow === 'string' ? flow : 'OK') },
  'vpc-id': { version: 3, read: ({ vpcId }) => vpcId },
  'subnet-id': { version: 3, read: ({ subnetId }) => subnetId },
  'instance-id': { version: 3, read: ({ instanceId }) => instanceId },
  type: { version: 3, read: (_, flow) => flow && (isIp6(flow.source) ? 'IPv6' : 'IPv4') },
  'pkt-srcaddr': { version: 3, read: (_, flow) => flow?.source },
  'pkt-dstaddr': { version: 3, read: (_, flow) => flow?.target },
  region: { version: 4, read: ({ region }) => region },
  'az-id': { version: 4, read: ({ zoneId }) => zoneId },
  'sublocation-type': { version: 4, read: () => undefined },
  'sublocation-id': { version: 4, read: () => undefined },
  'flow-direction': { version: 5, read: (_, flow) => flow && (flow.direction === 'in' ? 'ingress' : 'egress') },
};

/** Fields of AWS that packets here say nothing about. */
const unimplemented = new Set([
  ...['tcp-flags', 'pkt-src-aws-service', 'pkt-dst-aws-service', 'traffic-path', 'reject-reason', 'resource-id'],
  ...['ecs-cluster-arn', 'ecs-cluster-name', 'ecs-container-instance-arn', 'ecs-container-instance-id', 'ecs-container-id'],
  ...['ecs-second-container-id', 'ecs-service-name', 'ecs-task-definition-arn', 'ecs-task-arn', 'ecs-task-id'],
  ...['encryption-status'],
]);

/** The format without LogFormat: the 14 fields of version 2, in order. */
export const defaultFormat = [
  ...['version', 'account-id', 'interface-id', 'srcaddr', 'dstaddr', 'srcport', 'dstport', 'protocol', 'packets', 'bytes'],
  ...['start', 'end', 'action', 'log-status'],
]
  .map((name) => `\${${name}}`)
  .join(' ');

/** Names of the fields of a format, which must have passed `checkFormat`. */
export function fieldsOf(format: string): string[] {
  return format.split(' ').map((part) => part.slice(2, -1));
}

/** Throws InvalidParameter for a format that is none, NotImplemented for fields that cannot be told here. */
export function checkFormat(format: string): void {
  if (!/^(\$\{[a-z0-9-]+\})( \$\{[a-z0-9-]+\})*$/.test(format))
    throw new AwsError('InvalidParameter', `1 validation error detected: Value '${format}' at 'logFormat' has an invalid format`);
  for (const name of fieldsOf(format)) {
    if (unimplemented.has(name)) throw parameterNotImplemented('CreateFlowLogs', `LogFormat \${${name}}`);
    if (!Object.hasOwn(fields, name)) throw new AwsError('InvalidParameter', 'Unknown fields provided.');
  }
}

/** One record. `-` stands for what does not apply. */
export function writeRecord(format: string, subject: RecordSubject): string {
  const names = fieldsOf(format);
  const version = Math.max(...names.map((name) => fields[name]!.version));
  const flow = typeof subject.flow === 'string' ? undefined : subject.flow;
  return names.map((name) => (name === 'version' ? String(version) : String(fields[name]!.read(subject, flow) ?? '-'))).join(' ');
}
