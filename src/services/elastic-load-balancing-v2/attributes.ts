/**
 * Attributes of load balancers, target groups and listeners: defaults and allowed values by type ("Load balancer attributes", "Target group
 * attributes", User Guides of the Application and the Network Load Balancer). An attribute that the nodes could not honour is refused where it
 * is changed from its default.
 */
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { invalidConfiguration, validationError } from './errors.ts';
import type { AttributeMap, BalancerRow, BalancerType, GroupRow } from './state.ts';

interface AttributeRule {
  fallback: string;
  /** What may be set; a text names the only value that works here, others are refused as not implemented. */
  takes: RegExp | { min: number; max: number } | { only: string };
}

const flag = /^(true|false)$/;
const off: AttributeRule = { fallback: 'false', takes: { only: 'false' } };

const common: Readonly<Record<string, AttributeRule>> = {
  'deletion_protection.enabled': { fallback: 'false', takes: flag },
  'ipv6.deny_all_igw_traffic': off,
};

/** A prefix may not hold AWSLogs, which begins what is added to it ("Enable access logs": S3 URI). */
const logs = (kind: string): Record<string, AttributeRule> => ({
  [`${kind}_logs.s3.enabled`]: { fallback: 'false', takes: flag },
  [`${kind}_logs.s3.bucket`]: { fallback: '', takes: /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$/ },
  [`${kind}_logs.s3.prefix`]: { fallback: '', takes: /^(?!.*AWSLogs)(?!\/)(?:.{0,512}[^/])?$/ },
});

const application: Readonly<Record<string, AttributeRule>> = {
  ...common,
  'load_balancing.cross_zone.enabled': { fallback: 'true', takes: /^true$/ },
  'idle_timeout.timeout_seconds': { fallback: '60', takes: { min: 1, max: 4000 } },
  'client_keep_alive.seconds': { fallback: '3600', takes: { min: 60, max: 604_800 } },
  ...logs('access'),
  ...logs('connection'),
  ...logs('health_check'),
  'routing.http2.enabled': { fallback: 'true', takes: flag },
  'routing.http.drop_invalid_header_fields.enabled': { fallback: 'false', takes: flag },
  'routing.http.desync_mitigation_mode': { fallback: 'defensive', takes: /^(monitor|defensive|strictest)$/ },
  'routing.http.preserve_host_header.enabled': { fallback: 'false', takes: flag },
  'routing.http.xff_client_port.enabled': { fallback: 'false', takes: flag },
  'routing.http.xff_header_processing.mode': { fallback: 'append', takes: /^(append|preserve|remove)$/ },
  'routing.http.x_amzn_tls_version_and_cipher_suite.enabled': { fallback: 'false', takes: flag },
  'waf.fail_open.enabled': off,
  'zonal_shift.config.enabled': off,
};

const network: Readonly<Record<string, AttributeRule>> = {
  ...common,
  ...logs('access'),
  'load_balancing.cross_zone.enabled': { fallback: 'false', takes: flag },
  'dns_record.client_routing_policy': { fallback: 'any_availability_zone', takes: { only: 'any_availability_zone' } },
  'zonal_shift.config.enabled': off,
  'secondary_ips.auto_assigned.per_subnet': { fallback: '0', takes: { only: '0' } },
};

const groupCommon: Readonly<Record<string, AttributeRule>> = {
  'deregistration_delay.timeout_seconds': { fallback: '300', takes: { min: 0, max: 3600 } },
  'stickiness.enabled': { fallback: 'false', takes: flag },
  'load_balancing.cross_zone.enabled': {
    fallback: 'use_load_balancer_configuration',
    takes: /^(true|false|use_load_balancer_configuration)$/,
  },
  'target_group_health.dns_failover.minimum_healthy_targets.count': { fallback: '1', takes: { only: '1' } },
  'target_group_health.dns_failover.minimum_healthy_targets.percentage': { fallback: 'off', takes: { only: 'off' } },
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.count': { fallback: '1', takes: { only: '1' } },
  'target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage': { fallback: 'off', takes: { only: 'off' } },
};

const days7 = 604_800;
const groupApplication: Readonly<Record<string, AttributeRule>> = {
  ...groupCommon,
  'stickiness.type': { fallback: 'lb_cookie', takes: /^(lb_cookie|app_cookie)$/ },
  'stickiness.lb_cookie.duration_seconds': { fallback: '86400', takes: { min: 1, max: days7 } },
  'stickiness.app_cookie.duration_seconds': { fallback: '86400', takes: { min: 1, max: days7 } },
  'stickiness.app_cookie.cookie_name': { fallback: '', takes: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{0,4096}$/ },
  'slow_start.duration_seconds': { fallback: '0', takes: /^(0|[3-8]\d|9\d|[1-8]\d\d|900)$/ },
  'load_balancing.algorithm.type': {
    fallback: 'round_robin',
    takes: /^(round_robin|least_outstanding_requests|weighted_random)$/,
  },
  'load_balancing.algorithm.anomaly_mitigation': { fallback: 'off', takes: { only: 'off' } },
};

const groupFunction: Readonly<Record<string, AttributeRule>> = {
  'lambda.multi_value_headers.enabled': { fallback: 'false', takes: flag },
};

const groupNetwork: Readonly<Record<string, AttributeRule>> = {
  ...groupCommon,
  'stickiness.type': { fallback: 'source_ip', takes: /^source_ip$/ },
  'deregistration_delay.connection_termination.enabled': { fallback: 'false', takes: flag },
  'preserve_client_ip.enabled': { fallback: 'true', takes: flag },
  'proxy_protocol_v2.enabled': { fallback: 'false', takes: flag },
  'target_health_state.unhealthy.connection_termination.enabled': { fallback: 'true', takes: flag },
  'target_health_state.unhealthy.draining_interval_seconds': { fallback: '0', takes: { only: '0' } },
};

/** Addresses as targets: their clients stay unknown to them, unless that is asked for. */
const groupNetworkIp: Readonly<Record<string, AttributeRule>> = {
  ...groupNetwork,
  'preserve_client_ip.enabled': { fallback: 'false', takes: flag },
};

/** Groups that take datagrams, of any type: what holds for those is not theirs to change. */
const groupNetworkUdp: Readonly<Record<string, AttributeRule>> = {
  ...groupNetwork,
  'preserve_client_ip.enabled': { fallback: 'true', takes: /^true$/ },
  'deregistration_delay.connection_termination.enabled': { fallback: 'true', takes: flag },
  'target_health_state.unhealthy.connection_termination.enabled': { fallback: 'false', takes: /^false$/ },
  'proxy_protocol_v2.enabled': off,
};

const listenerHttp: Readonly<Record<string, AttributeRule>> = {
  'routing.http.response.server.enabled': { fallback: 'true', takes: { only: 'true' } },
};
const listenerTcp: Readonly<Record<string, AttributeRule>> = {
  'tcp.idle_timeout.seconds': { fallback: '350', takes: { min: 60, max: 6000 } },
};

export type AttributeSort =
  | 'application'
  | 'network'
  | 'groupApplication'
  | 'groupNetwork'
  | 'groupNetworkIp'
  | 'groupNetworkUdp'
  | 'groupFunction'
  | 'listenerHttp'
  | 'listenerTcp'
  | 'none';

const catalogues: Readonly<Record<AttributeSort, Readonly<Record<string, AttributeRule>>>> = {
  ...{
    application,
    network,
    groupApplication,
    groupNetwork,
    groupNetworkIp,
    groupNetworkUdp,
    groupFunction,
    listenerHttp,
    listenerTcp,
  },
  none: {},
};

export function groupSort({ protocol, type }: Pick<GroupRow, 'protocol' | 'type'>): AttributeSort {
  if (protocol === '') return 'groupFunction';
  if (protocol === 'HTTP' || protocol === 'HTTPS') return 'groupApplication';
  if (protocol === 'UDP' || protocol === 'TCP_UDP') return 'groupNetworkUdp';
  return type === 'ip' ? 'groupNetworkIp' : 'groupNetwork';
}

export function listenerSort(protocol: string): AttributeSort {
  if (protocol === 'HTTP' || protocol === 'HTTPS') return 'listenerHttp';
  return protocol === 'TCP' ? 'listenerTcp' : 'none';
}

/** Value in force of one attribute. */
export function attribute(sort: AttributeSort, set: AttributeMap, key: string): string {
  return set[key] ?? catalogues[sort][key]?.fallback ?? '';
}

export function balancerAttribute(row: Pick<BalancerRow, 'type' | 'attributes'>, key: string): string {
  return attribute(row.type satisfies BalancerType, row.attributes, key);
}

export function groupAttribute(row: Pick<GroupRow, 'protocol' | 'type' | 'attributes'>, key: string): string {
  return attribute(groupSort(row), row.attributes, key);
}

/** Whether a group is a network load balancer's. */
export const isNetworkGroup = (row: Pick<GroupRow, 'protocol' | 'type'>): boolean => groupSort(row).startsWith('groupNetwork');

/** Whether targets see the addresses of clients. */
export function preservesClients(row: Pick<GroupRow, 'protocol' | 'type' | 'attributes'>): boolean {
  return isNetworkGroup(row) && groupAttribute(row, 'preserve_client_ip.enabled') === 'true';
}

/** All attributes as the API lists them. */
export function listAttributes(sort: AttributeSort, set: AttributeMap): { Key: string; Value: string }[] {
  return Object.entries(catalogues[sort]).map(([Key, { fallback }]) => ({ Key, Value: set[Key] ?? fallback }));
}

/** The set with changes. Throws ValidationError, InvalidConfigurationRequest; NotImplemented for values that nodes cannot honour. */
export function changeAttributes(
  operation: string,
  sort: AttributeSort,
  set: AttributeMap,
  changes: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): AttributeMap {
  const next: Record<string, string> = { ...set };
  const seen = new Set<string>();
  for (const { Key: key = '', Value: value = '' } of changes ?? []) {
    if (seen.has(key)) throw validationError(`Attribute key '${key}' is specified more than once`);
    seen.add(key);
    const rule = catalogues[sort][key];
    if (rule === undefined)
      throw validationError(
        `Load balancer attribute key '${key}' is not recognized`.replace('Load balancer attribute', nounOf(sort)),
      );
    check(operation, key, value, rule);
    next[key] = value;
  }
  checkTogether(sort, next);
  return next;
}

function nounOf(sort: AttributeSort): string {
  if (sort.startsWith('group')) return 'Target group attribute';
  return sort === 'application' || sort === 'network' ? 'Load balancer attribute' : 'Listener attribute';
}

function check(operation: string, key: string, value: string, { takes }: AttributeRule): void {
  if (takes instanceof RegExp) {
    if (!takes.test(value)) throw invalidConfiguration(`'${value}' is not a valid value for attribute '${key}'`);
  } else if ('only' in takes) {
    if (value !== takes.only) throw parameterNotImplemented(operation, `${key}=${value}`);
  } else if (!/^\d{1,9}$/.test(value) || Number(value) < takes.min || Number(value) > takes.max) {
    throw validationError(`'${key}' must be between '${takes.min}' and '${takes.max}' inclusive`);
  }
}

/** Prefixes that belong to the load balancer's own cookies ("Sticky sessions": application-based stickiness). */
const reservedCookies = /^(AWSALB|AWSALBAPP|AWSALBTG)/;

function checkTogether(sort: AttributeSort, set: AttributeMap): void {
  if (sort !== 'groupApplication') return;
  const name = set['stickiness.app_cookie.cookie_name'] ?? '';
  if (reservedCookies.test(name))
    throw invalidConfiguration(
      `The cookie name '${name}' is not valid. The prefixes AWSALB, AWSALBAPP and AWSALBTG are reserved`,
    );
  const value = (key: string): string => attribute(sort, set, key);
  if (value('stickiness.enabled') === 'true' && value('stickiness.type') === 'app_cookie' && name === '')
    throw invalidConfiguration('A cookie name is required for application-based stickiness');
  if (value('slow_start.duration_seconds') !== '0' && value('load_balancing.algorithm.type') !== 'round_robin')
    throw invalidConfiguration('Slow start is supported by the round robin algorithm only');
}
