/** Target groups: create, describe, change, delete. */
import type {
  CreateTargetGroupInput,
  ElasticLoadBalancingV2,
  ModifyTargetGroupInput,
  TargetGroup,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { groupArn } from './arns.ts';
import { changeAttributes, groupAttribute, groupSort, listAttributes, preservesClients } from './attributes.ts';
import { groupNotFound, invalidConfiguration, validationError } from './errors.ts';
import { checkName } from './load-balancers.ts';
import { balancersOf, describePage, findBalancer, findGroup, hintUsers } from './lookup.ts';
import { beforeChecks, type GroupRow, Groups, type HealthCheckRow, Rules, Targets } from './state.ts';
import { mergeTags } from './tags.ts';

/** Per Region ("Quotas for your Application Load Balancers"). */
const groupsMax = 3000;

const applicationProtocols = ['HTTP', 'HTTPS'];
const protocols = [...applicationProtocols, 'TCP', 'TLS', 'UDP', 'TCP_UDP'];

/** Health checks and rules of the seventh layer: HTTP, and functions, which have no protocol. */
const isApplication = (protocol: string): boolean => protocol === '' || applicationProtocols.includes(protocol);

async function describeGroup(ctx: Context, row: GroupRow): Promise<TargetGroup> {
  const { check } = row;
  const place: Partial<TargetGroup> = {
    Protocol: row.protocol as TargetGroup['Protocol'],
    Port: row.port,
    VpcId: row.vpcId,
    HealthCheckProtocol: check.protocol as TargetGroup['HealthCheckProtocol'],
    HealthCheckPort: check.port,
  };
  return {
    TargetGroupArn: row.arn,
    TargetGroupName: row.name,
    ...(row.type === 'lambda' ? {} : place),
    HealthCheckEnabled: check.enabled,
    HealthCheckIntervalSeconds: check.intervalSeconds,
    HealthCheckTimeoutSeconds: check.timeoutSeconds,
    HealthyThresholdCount: check.healthyThreshold,
    UnhealthyThresholdCount: check.unhealthyThreshold,
    HealthCheckPath: check.path,
    Matcher: check.matcher === undefined ? undefined : { HttpCode: check.matcher },
    LoadBalancerArns: await balancersOf(ctx, row.arn),
    TargetType: row.type,
    ProtocolVersion: row.protocolVersion,
    IpAddressType: 'ipv4',
  };
}

/** What a request says of health checks. */
type CheckInput = Pick<
  ModifyTargetGroupInput,
  | 'HealthCheckProtocol'
  | 'HealthCheckPort'
  | 'HealthCheckPath'
  | 'HealthCheckEnabled'
  | 'HealthCheckIntervalSeconds'
  | 'HealthCheckTimeoutSeconds'
  | 'HealthyThresholdCount'
  | 'UnhealthyThresholdCount'
  | 'Matcher'
>;

/** Defaults of a new group ("Health checks for your target groups", both kinds of load balancers). */
function defaultCheck(protocol: string, checkProtocol: string | undefined): HealthCheckRow {
  const application = isApplication(protocol);
  const chosen = checkProtocol ?? (application ? 'HTTP' : 'TCP');
  const http = chosen !== 'TCP';
  const ofFunction = protocol === '';
  return {
    enabled: !ofFunction,
    protocol: chosen,
    port: 'traffic-port',
    path: http ? '/' : undefined,
    intervalSeconds: ofFunction ? 35 : 30,
    timeoutSeconds: ofFunction ? 30 : application ? 5 : http ? 6 : 10,
    healthyThreshold: 5,
    unhealthyThreshold: 2,
    matcher: http ? (application ? '200' : '200-399') : undefined,
  };
}

function within(name: string, value: number | undefined, min: number, max: number): void {
  if (value !== undefined && (value < min || value > max))
    throw validationError(`${name} '${value}' must be between '${min}' and '${max}'`);
}

/** The health check that a request makes of what there is. Throws ValidationError. */
function changeCheck(known: HealthCheckRow, input: CheckInput, protocol: string): HealthCheckRow {
  const application = isApplication(protocol);
  if (protocol === '')
    refuseNetwork({ 'Health check protocol': input.HealthCheckProtocol, 'Health check port': input.HealthCheckPort });
  const chosen = input.HealthCheckProtocol ?? known.protocol;
  const allowed = application ? applicationProtocols : ['HTTP', 'HTTPS', 'TCP'];
  if (!allowed.includes(chosen))
    throw validationError(`Health check protocol '${chosen}' is not supported for target groups with the ${protocol} protocol`);
  const http = chosen !== 'TCP';
  const port = input.HealthCheckPort ?? known.port;
  if (port !== 'traffic-port' && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
    throw validationError(`Health check port '${port}' must be 'traffic-port' or in range 1-65535 inclusive`);
  const path = input.HealthCheckPath ?? known.path ?? (http ? '/' : undefined);
  if (!http && input.HealthCheckPath !== undefined)
    throw validationError('Health check path is not supported for TCP health checks');
  if (path !== undefined && (!path.startsWith('/') || path.length > 1024 || /[\s\0]/.test(path)))
    throw validationError(`Health check path '${path}' must begin with a '/' and be at most 1024 characters long`);
  within('Health check interval', input.HealthCheckIntervalSeconds, 5, 300);
  within('Health check timeout', input.HealthCheckTimeoutSeconds, 2, 120);
  within('Healthy threshold count', input.HealthyThresholdCount, 2, 10);
  within('Unhealthy threshold count', input.UnhealthyThresholdCount, 2, 10);
  if (input.Matcher?.GrpcCode !== undefined) throw parameterNotImplemented('CreateTargetGroup', 'Matcher.GrpcCode');
  const matcher = input.Matcher?.HttpCode ?? known.matcher;
  if (input.Matcher?.HttpCode !== undefined) checkMatcher(input.Matcher.HttpCode, application ? 499 : 599);
  const next: HealthCheckRow = {
    enabled: input.HealthCheckEnabled ?? known.enabled,
    protocol: chosen,
    port,
    path: http ? path : undefined,
    intervalSeconds: input.HealthCheckIntervalSeconds ?? known.intervalSeconds,
    timeoutSeconds: input.HealthCheckTimeoutSeconds ?? known.timeoutSeconds,
    healthyThreshold: input.HealthyThresholdCount ?? known.healthyThreshold,
    unhealthyThreshold: input.UnhealthyThresholdCount ?? known.unhealthyThreshold,
    matcher: http ? (matcher ?? '200-399') : undefined,
  };
  if (!next.enabled && protocol !== '')
    throw validationError('Health checks must be enabled for target groups with target type instance, ip or alb');
  if (application && next.timeoutSeconds >= next.intervalSeconds)
    throw validationError(
      `Health check timeout '${next.timeoutSeconds}' must be smaller than the interval '${next.intervalSeconds}'`,
    );
  return next;
}

/** `200`, `200,202`, `200-299`. */
function checkMatcher(matcher: string, max: number): void {
  const parts = matcher.split(',');
  const good = parts.every((part) => {
    const match = /^(\d{3})(?:-(\d{3}))?$/.exec(part);
    const [low, high] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    return match !== null && low >= 200 && high <= max && low <= high;
  });
  if (!good) throw validationError(`Health check matcher HTTP code '${matcher}' must be within '200-${max}' inclusive`);
}

/** Throws ValidationError for what the target group of a function cannot have: it is not reached over a network. */
function refuseNetwork(given: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(given))
    if (value !== undefined) throw validationError(`${name} cannot be specified for target groups with target type 'lambda'`);
}

function checkKind(input: CreateTargetGroupInput): { type: GroupRow['type']; protocol: string; port: number; vpcId: string } {
  const type = input.TargetType ?? 'instance';
  if (type === 'lambda') {
    const { Port, Protocol, VpcId, ProtocolVersion, IpAddressType } = input;
    refuseNetwork({
      Port,
      Protocol,
      'VPC ID': VpcId,
      'Protocol version': ProtocolVersion || undefined,
      'IP address type': IpAddressType,
    });
    return { type, protocol: '', port: 0, vpcId: '' };
  }
  if (!['instance', 'ip', 'alb'].includes(type))
    throw validationError(
      `1 validation error detected: Value '${type}' at 'targetType' failed to satisfy constraint: Member must satisfy enum value set: [instance, ip, lambda, alb]`,
    );
  if (input.IpAddressType !== undefined && input.IpAddressType !== 'ipv4')
    throw parameterNotImplemented('CreateTargetGroup', 'IpAddressType ipv6');
  if (input.TargetControlPort !== undefined) throw parameterNotImplemented('CreateTargetGroup', 'TargetControlPort');
  const { Protocol: protocol, Port: port, VpcId: vpcId } = input;
  if (protocol === undefined) throw validationError('A protocol must be specified');
  if (protocol === 'GENEVE' || protocol.includes('QUIC'))
    throw parameterNotImplemented('CreateTargetGroup', `Protocol ${protocol}`);
  if (!protocols.includes(protocol))
    throw validationError(
      `1 validation error detected: Value '${protocol}' at 'protocol' failed to satisfy constraint: Member must satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE]`,
    );
  if (type === 'alb' && protocol !== 'TCP')
    throw validationError('Target groups with target type alb support the TCP protocol only');
  if (port === undefined) throw validationError('A port must be specified');
  if (port < 1 || port > 65_535)
    throw validationError(
      `1 validation error detected: Value '${port}' at 'port' failed to satisfy constraint: Member must have value ${port < 1 ? 'greater than or equal to 1' : 'less than or equal to 65535'}`,
    );
  if (vpcId === undefined) throw validationError('A VPC ID must be specified');
  // Terraform's provider sends it empty where it has none.
  const version = input.ProtocolVersion === undefined || `${input.ProtocolVersion}` === '' ? undefined : input.ProtocolVersion;
  if (version !== undefined && version !== 'HTTP1')
    throw parameterNotImplemented('CreateTargetGroup', `ProtocolVersion ${version}`);
  if (version !== undefined && !applicationProtocols.includes(protocol))
    throw validationError(`Protocol version '${version}' is not supported for the ${protocol} protocol`);
  return { type: type as GroupRow['type'], protocol, port, vpcId };
}

const sameGroup = (a: GroupRow, b: GroupRow): boolean =>
  JSON.stringify([a.type, a.protocol, a.port, a.vpcId, a.check]) ===
  JSON.stringify([b.type, b.protocol, b.port, b.vpcId, b.check]);

/** Forgets what checks have found: they were just turned on or off. */
async function restartChecks(tx: Transaction, group: string): Promise<void> {
  for (const row of await tx.table(Targets).list({ prefix: [group] })) await tx.table(Targets).put({ ...row, ...beforeChecks });
  await hintUsers(tx, group);
}

/** Wakes the health checks of a group. */
export async function scheduleChecks(tx: Transaction, ctx: Context, group: string, afterMillis = 0): Promise<void> {
  await tx.schedule({ task: 'checkHealth', key: group, due: ctx.now + afterMillis });
}

export const groupHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  /** A repeat with the same settings gets the first group. */
  async CreateTargetGroup(input, ctx) {
    const name = checkName(input.Name, 'target group');
    const kind = checkKind(input);
    const ec2 = await ctx.internal<Ec2Api>('ec2');
    if (kind.type !== 'lambda' && (await ec2.vpcFacts(kind.vpcId)) === undefined)
      throw validationError(`The VPC ID '${kind.vpcId}' is not found`);
    const check = changeCheck(defaultCheck(kind.protocol, input.HealthCheckProtocol), input, kind.protocol);
    const row = await ctx.transact(async (tx) => {
      const made: GroupRow = {
        ...{ arn: groupArn(ctx, name, ctx.id('loadBalancerPart')), name, ...kind, check },
        protocolVersion: applicationProtocols.includes(kind.protocol) ? 'HTTP1' : undefined,
        ...{ attributes: {}, created: ctx.now, tags: mergeTags({}, input.Tags) },
      };
      const known = await tx.table(Groups).firstByIndex('byName', [name]);
      if (known !== undefined) {
        if (sameGroup(known, made)) return known;
        throw new AwsError(
          'DuplicateTargetGroupName',
          `A target group with the same name '${name}' exists, but with different settings`,
        );
      }
      if ((await tx.table(Groups).count()) >= groupsMax)
        throw new AwsError('TooManyTargetGroups', 'The maximum number of target groups has been reached');
      await tx.table(Groups).put(made);
      return made;
    });
    return { TargetGroups: [await describeGroup(ctx, row)] };
  },

  async DescribeTargetGroups(input, ctx) {
    const { TargetGroupArns: arns = [], Names: names = [], LoadBalancerArn } = input;
    if ([arns.length > 0, names.length > 0, LoadBalancerArn !== undefined].filter(Boolean).length > 1)
      throw validationError(
        'Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time',
      );
    for (const arn of arns) await findGroup(ctx, arn);
    let rows = await ctx.table(Groups).list();
    for (const name of names) if (!rows.some((row) => row.name === name)) throw groupNotFound();
    if (LoadBalancerArn !== undefined) {
      const balancer = await findBalancer(ctx, LoadBalancerArn);
      const used = new Set((await ctx.table(Rules).byIndex('byBalancer', [balancer.arn])).flatMap(({ groups }) => groups));
      rows = rows.filter(({ arn }) => used.has(arn));
    }
    const wanted = rows.filter(
      (row) => (arns.length === 0 || arns.includes(row.arn)) && (names.length === 0 || names.includes(row.name)),
    );
    const page = describePage('DescribeTargetGroups', wanted, (row) => [row.arn], input);
    return { TargetGroups: await Promise.all(page.items.map((row) => describeGroup(ctx, row))), NextMarker: page.marker };
  },

  async ModifyTargetGroup(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const known = await findGroup(tx, input.TargetGroupArn);
      const next = { ...known, check: changeCheck(known.check, input, known.protocol) };
      await tx.table(Groups).put(next);
      if (next.check.enabled !== known.check.enabled) await restartChecks(tx, known.arn);
      await scheduleChecks(tx, ctx, known.arn);
      return next;
    });
    return { TargetGroups: [await describeGroup(ctx, row)] };
  },

  /** Throws ResourceInUse while a rule names the group. */
  async DeleteTargetGroup(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await findGroup(tx, input.TargetGroupArn).catch((error: AwsError) => {
        if (error.code === 'TargetGroupNotFound') return undefined;
        throw error;
      });
      if (row === undefined) return;
      if ((await tx.table(Rules).firstByIndex('byGroup', [row.arn])) !== undefined)
        throw new AwsError('ResourceInUse', `Target group '${row.arn}' is currently in use by a listener or a rule`);
      for (const target of await tx.table(Targets).list({ prefix: [row.arn] }))
        await tx.table(Targets).delete(target.group, target.id, target.port);
      await tx.unschedule('checkHealth', row.arn);
      await tx.table(Groups).delete(row.arn);
    });
    return {};
  },

  async DescribeTargetGroupAttributes(input, ctx) {
    const row = await findGroup(ctx, input.TargetGroupArn);
    return { Attributes: listAttributes(groupSort(row), row.attributes) };
  },

  async ModifyTargetGroupAttributes(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const known = await findGroup(tx, input.TargetGroupArn);
      const attributes = changeAttributes('ModifyTargetGroupAttributes', groupSort(known), known.attributes, input.Attributes);
      const next = { ...known, attributes };
      const outside = (await tx.table(Targets).list({ prefix: [known.arn] })).some(({ zone }) => zone === 'all');
      if (preservesClients(next) && outside)
        throw parameterNotImplemented(
          'ModifyTargetGroupAttributes',
          'preserve_client_ip.enabled=true with targets outside the VPC',
        );
      if (groupAttribute(next, 'stickiness.enabled') === 'true' && known.protocol === 'TLS')
        throw invalidConfiguration('Stickiness is not supported for target groups with the TLS protocol');
      // What begins a connection to such a target, the header or the handshake, is not documented.
      if (groupAttribute(next, 'proxy_protocol_v2.enabled') === 'true' && known.protocol === 'TLS')
        throw parameterNotImplemented('ModifyTargetGroupAttributes', 'proxy_protocol_v2.enabled=true for the TLS protocol');
      await tx.table(Groups).put(next);
      await hintUsers(tx, known.arn);
      return next;
    });
    return { Attributes: listAttributes(groupSort(row), row.attributes) };
  },
};
