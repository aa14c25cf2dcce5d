/** From the rows of a load balancer to the complete specs of its nodes: one plane's word for one of the API's. */
import type { Action, RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Context } from '../../kernel/context.ts';
import type {
  ActionSpec,
  ConditionSpec,
  HttpOptions,
  ListenerSpec,
  PoolSpec,
  PoolTarget,
  ProxyNodeSpec,
  RuleSpec,
  TlsSpec,
} from '../../planes/proxy/types.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { attribute, balancerAttribute, groupAttribute, isNetworkGroup, listenerSort, preservesClients } from './attributes.ts';
import { readCertificate } from './certificates.ts';
import { tlsOf } from './ssl-policies.ts';
import {
  type BalancerRow,
  Balancers,
  type GroupRow,
  Groups,
  type ListenerRow,
  Listeners,
  type NodeRow,
  type RuleRow,
  Rules,
  type TargetRow,
  Targets,
} from './state.ts';

/** Everything of a node's spec that is the same for all nodes. */
export type SharedSpec = Omit<ProxyNodeSpec, 'key' | 'machine' | 'address' | 'zone'>;

export function nodeSpec(shared: SharedSpec, node: NodeRow): ProxyNodeSpec {
  return { ...shared, key: node.interfaceId, machine: node.interfaceId, address: node.address, zone: node.zone };
}

/** Reads what all nodes of a load balancer need. */
export async function readSharedSpec(ctx: Context, row: BalancerRow): Promise<SharedSpec> {
  const [listeners, rules] = await Promise.all([
    ctx.table(Listeners).byIndex('byBalancer', [row.arn]),
    ctx.table(Rules).byIndex('byBalancer', [row.arn]),
  ]);
  const groups = await Promise.all([...new Set(rules.flatMap((rule) => rule.groups))].map((arn) => ctx.table(Groups).get(arn)));
  const known = groups.filter((group) => group !== undefined);
  const specs = await Promise.all(listeners.map((listener) => listenerSpecs(ctx, listener, rules)));
  return {
    listeners: specs.flat(),
    pools: await Promise.all(known.map((group) => poolSpec(ctx, row, group))),
    http: httpOptions(row),
    secret: row.secret,
  };
}

function httpOptions(row: BalancerRow): HttpOptions {
  const value = (key: string): string => balancerAttribute(row, key);
  const isOn = (key: string): boolean => value(key) === 'true';
  return {
    idleMillis: Number(value('idle_timeout.timeout_seconds') || 60) * 1000,
    keepAliveMillis: Number(value('client_keep_alive.seconds') || 3600) * 1000,
    http2: isOn('routing.http2.enabled'),
    dropInvalidHeaders: isOn('routing.http.drop_invalid_header_fields.enabled'),
    desync: (value('routing.http.desync_mitigation_mode') || 'defensive') as HttpOptions['desync'],
    preserveHost: isOn('routing.http.preserve_host_header.enabled'),
    forwardedFor: (value('routing.http.xff_header_processing.mode') || 'append') as HttpOptions['forwardedFor'],
    forwardedForPort: isOn('routing.http.xff_client_port.enabled'),
    tlsHeaders: isOn('routing.http.x_amzn_tls_version_and_cipher_suite.enabled'),
    log: isOn('access_logs.s3.enabled'),
    logConnections: isOn('connection_logs.s3.enabled'),
  };
}

/** A TCP_UDP listener is two of the nodes'. A listener whose certificate is gone does not listen. */
async function listenerSpecs(ctx: Context, row: ListenerRow, all: readonly RuleRow[]): Promise<ListenerSpec[]> {
  const rules = all.filter((rule) => rule.listener === row.arn).sort((a, b) => a.priority - b.priority);
  const specs = rules.map(ruleSpec);
  if (row.protocol === 'HTTP') return [{ port: row.port, kind: 'http', rules: specs }];
  const tls = row.certificates.length === 0 ? undefined : await tlsSpec(ctx, row);
  if (row.protocol === 'HTTPS') return tls === undefined ? [] : [{ port: row.port, kind: 'http', tls, rules: specs }];
  const idleMillis = Number(attribute(listenerSort(row.protocol), row.attributes, 'tcp.idle_timeout.seconds') || 350) * 1000;
  if (row.protocol === 'TLS') return tls === undefined ? [] : [{ port: row.port, kind: 'tcp', tls, rules: specs, idleMillis }];
  const kinds =
    row.protocol === 'TCP_UDP' ? (['tcp', 'udp'] as const) : row.protocol === 'UDP' ? (['udp'] as const) : (['tcp'] as const);
  return kinds.map((kind) => ({ port: row.port, kind, rules: specs, idleMillis: kind === 'tcp' ? idleMillis : undefined }));
}

async function tlsSpec(ctx: Context, row: ListenerRow): Promise<TlsSpec | undefined> {
  const found = await Promise.all(row.certificates.map((arn) => readCertificate(ctx, arn)));
  if (found[0] === undefined) return undefined;
  return { ...tlsOf(row.sslPolicy ?? ''), certificates: found.filter((certificate) => certificate !== undefined) };
}

function ruleSpec(row: RuleRow): RuleSpec {
  return {
    priority: row.isDefault ? 0 : row.priority,
    conditions: row.conditions.map(conditionSpec),
    action: actionSpec(row.actions[0]!),
  };
}

function conditionSpec(row: RuleCondition): ConditionSpec {
  switch (row.Field) {
    case 'http-header':
      return { kind: 'header', name: row.HttpHeaderConfig?.HttpHeaderName ?? '', values: row.HttpHeaderConfig?.Values ?? [] };
    case 'query-string':
      return {
        kind: 'query',
        pairs: (row.QueryStringConfig?.Values ?? []).map(({ Key, Value = '' }) => ({ key: Key, value: Value })),
      };
    case 'host-header':
      return { kind: 'host', values: row.HostHeaderConfig?.Values ?? [] };
    case 'http-request-method':
      return { kind: 'method', values: row.HttpRequestMethodConfig?.Values ?? [] };
    case 'source-ip':
      return { kind: 'source', values: row.SourceIpConfig?.Values ?? [] };
    default:
      return { kind: 'path', values: row.PathPatternConfig?.Values ?? [] };
  }
}

function actionSpec(action: Action): ActionSpec {
  if (action.Type === 'redirect') {
    const { Protocol = '', Host = '', Port = '', Path = '', Query = '', StatusCode } = action.RedirectConfig ?? {};
    return {
      kind: 'redirect',
      status: StatusCode === 'HTTP_302' ? 302 : 301,
      protocol: Protocol,
      host: Host,
      port: Port,
      path: Path,
      query: Query,
    };
  }
  if (action.Type === 'fixed-response') {
    const { StatusCode, ContentType = '', MessageBody = '' } = action.FixedResponseConfig ?? {};
    return { kind: 'fixed', status: Number(StatusCode), contentType: ContentType, body: MessageBody };
  }
  const sticky = action.ForwardConfig?.TargetGroupStickinessConfig;
  return {
    kind: 'forward',
    pools: (action.ForwardConfig?.TargetGroups ?? []).map(({ TargetGroupArn = '', Weight = 1 }) => ({
      pool: TargetGroupArn,
      weight: Weight,
    })),
    stickySeconds: sticky?.Enabled === true ? sticky.DurationSeconds : undefined,
  };
}

async function poolSpec(ctx: Context, balancer: BalancerRow, group: GroupRow): Promise<PoolSpec> {
  const crosses = groupAttribute(group, 'load_balancing.cross_zone.enabled');
  const own = balancerAttribute(balancer, 'load_balancing.cross_zone.enabled');
  const rows = await ctx.table(Targets).list({ prefix: [group.arn] });
  const targets = await Promise.all(rows.map((row) => poolTargets(ctx, group, row)));
  const algorithms = { least_outstanding_requests: 'least-outstanding', weighted_random: 'weighted-random' } as const;
  const algorithm = groupAttribute(group, 'load_balancing.algorithm.type');
  return {
    key: group.arn,
    protocol: poolProtocol(group),
    algorithm: algorithm in algorithms ? algorithms[algorithm as keyof typeof algorithms] : 'round-robin',
    crossZone: (crosses === 'use_load_balancer_configuration' ? own : crosses) === 'true',
    slowStartMillis: Number(groupAttribute(group, 'slow_start.duration_seconds') || 0) * 1000,
    keepsFlows: keepsFlows(group),
    speaksForClients: preservesClients(group),
    tellsClients: groupAttribute(group, 'proxy_protocol_v2.enabled') === 'true',
    cutsFallen: groupAttribute(group, 'target_health_state.unhealthy.connection_termination.enabled') === 'true',
    stickiness: stickinessOf(group),
    targets: targets.flat(),
  };
}

function poolProtocol({ type, protocol }: GroupRow): PoolSpec['protocol'] {
  if (type === 'lambda') return 'function';
  return protocol === 'TCP_UDP' ? 'tcp' : (protocol.toLowerCase() as PoolSpec['protocol']);
}

/** Connections of a network load balancer outlive the deregistration of their target, unless that is asked to end them. */
function keepsFlows(group: GroupRow): boolean {
  return isNetworkGroup(group) && groupAttribute(group, 'deregistration_delay.connection_termination.enabled') !== 'true';
}

function stickinessOf(group: GroupRow): PoolSpec['stickiness'] {
  const value = (key: string): string => groupAttribute(group, `stickiness.${key}`);
  if (value('enabled') !== 'true') return undefined;
  if (value('type') === 'source_ip') return { kind: 'source' };
  if (value('type') === 'app_cookie')
    return {
      kind: 'application',
      cookie: value('app_cookie.cookie_name'),
      seconds: Number(value('app_cookie.duration_seconds')),
    };
  return { kind: 'duration', seconds: Number(value('lb_cookie.duration_seconds')) };
}

/**
 * Addresses of a target: one, or those of all nodes where a load balancer is the target. Instances that do not run have none. Targets in a zone that is
 * down get nothing from the moment of the loss: the service knows its own zones ("Availability Zones and load balancer nodes"), while what
 * DescribeTargetHealth shows follows the health checks.
 */
async function poolTargets(ctx: Context, group: GroupRow, row: TargetRow): Promise<PoolTarget[]> {
  // Where functions run is not the node's business: it has no address of them, and they are in every zone.
  const addresses = group.type === 'lambda' ? [{ address: '', suffix: '' }] : await addressesOf(ctx, group, row);
  const zone = row.zone === 'all' ? undefined : row.zone;
  const zones = ctx.part('zones');
  const state = row.state === 'draining' ? 'draining' : row.state === 'healthy' || !group.check.enabled ? 'up' : 'down';
  return addresses.map((each: Place) => {
    const home = each.zone ?? zone;
    const lost = home !== undefined && zones.downSince(home) !== undefined;
    const key = group.type === 'lambda' ? row.id : `${row.id}:${row.port}${each.suffix}`;
    const given = each.leaves === true ? 'draining' : lost && state === 'up' ? 'down' : state;
    return { key, address: each.address, port: row.port, zone: home, state: given };
  });
}

interface Place {
  address: string;
  zone?: string | undefined;
  suffix: string;
  /** It shuts down: what it has it may finish. */
  leaves?: boolean | undefined;
}

/** Where a target is reached. */
export async function addressesOf(ctx: Context, group: GroupRow, row: TargetRow): Promise<readonly Place[]> {
  if (group.type === 'ip') return [{ address: row.id, suffix: '' }];
  if (group.type === 'alb') {
    const balancer = await ctx.table(Balancers).get(row.id);
    return (balancer?.nodes ?? []).map(({ address, zone }) => ({ address, zone, suffix: `@${zone}` }));
  }
  const facts = await (await ctx.internal<Ec2Api>('ec2')).instanceFacts(row.id);
  return facts?.address === undefined || facts.state === 'stopped' || facts.state === 'terminated'
    ? []
    : [{ address: facts.address, suffix: '', leaves: facts.state === 'shutting-down' || facts.state === 'stopping' }];
}
