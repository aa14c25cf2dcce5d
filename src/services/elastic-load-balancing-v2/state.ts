/** Elastic Load Balancing's rows. Every resource is kept under its ARN; conditions and actions in the API's own form. */
import type { Action, RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;
export type AttributeMap = Readonly<Record<string, string>>;
export type BalancerType = 'application' | 'network';

export interface BalancerSubnet {
  subnetId: string;
  zone: string;
  zoneId: string;
  allocationId?: string | undefined;
  privateIp?: string | undefined;
}

/** A node as it stands: written by the reconciler alone. */
export interface NodeRow {
  subnetId: string;
  zone: string;
  interfaceId: string;
  address: string;
  publicIp?: string | undefined;
}

export interface BalancerRow {
  arn: string;
  name: string;
  type: BalancerType;
  scheme: 'internet-facing' | 'internal';
  vpcId: string;
  subnets: readonly BalancerSubnet[];
  groups: readonly string[];
  /** Whether the groups are asked about traffic of VPC endpoints; `on` when absent. Network load balancers only. */
  privateLinkRules?: 'on' | 'off' | undefined;
  state: 'provisioning' | 'active' | 'failed' | 'deleting';
  reason?: string | undefined;
  created: Millis;
  dnsName: string;
  attributes: AttributeMap;
  secret: string;
  nodes: readonly NodeRow[];
  tags: TagMap;
}

export const Balancers = defineTable<BalancerRow>()({
  name: 'elbv2.loadBalancers',
  scope: 'region',
  key: (row) => [row.arn],
  indexes: { byName: (row) => [row.name], byVpc: (row) => [row.vpcId] },
});

/** Whose a DNS name is: names are unique in the cloud. */
export interface BalancerNameRow {
  dnsName: string;
  account: string;
  region: string;
  arn: string;
}

export const BalancerNames = defineTable<BalancerNameRow>()({
  name: 'elbv2.names',
  scope: 'cloud',
  key: (row) => [row.dnsName],
  indexes: { byAccount: (row) => [row.account] },
});

export interface ListenerRow {
  arn: string;
  balancer: string;
  protocol: string;
  port: number;
  /** The default one first. */
  certificates: readonly string[];
  sslPolicy?: string | undefined;
  alpn: readonly string[];
  attributes: AttributeMap;
  created: Millis;
  tags: TagMap;
}

export const Listeners = defineTable<ListenerRow>()({
  name: 'elbv2.listeners',
  scope: 'region',
  key: (row) => [row.arn],
  indexes: { byBalancer: (row) => [row.balancer, row.created] },
});

export interface RuleRow {
  arn: string;
  listener: string;
  balancer: string;
  /** Above every number for the default rule. */
  priority: number;
  isDefault: boolean;
  conditions: readonly RuleCondition[];
  actions: readonly Action[];
  /** ARNs of the target groups that its actions name. */
  groups: readonly string[];
  tags: TagMap;
}

/** Priority of default rules among the others: after the highest that can be given, 50000. */
export const defaultPriority = 50_001;

export const Rules = defineTable<RuleRow>()({
  name: 'elbv2.rules',
  scope: 'region',
  key: (row) => [row.arn],
  indexes: {
    byListener: (row) => [row.listener, row.priority],
    byBalancer: (row) => [row.balancer],
    byGroup: (row) => row.groups.map((group) => [group]),
  },
});

export interface HealthCheckRow {
  enabled: boolean;
  protocol: string;
  port: string;
  path?: string | undefined;
  intervalSeconds: number;
  timeoutSeconds: number;
  healthyThreshold: number;
  unhealthyThreshold: number;
  matcher?: string | undefined;
}

export interface GroupRow {
  arn: string;
  name: string;
  type: 'instance' | 'ip' | 'alb' | 'lambda';
  /** Empty, as the VPC and with a port of 0, where the target is a function. */
  protocol: string;
  protocolVersion?: string | undefined;
  port: number;
  vpcId: string;
  check: HealthCheckRow;
  attributes: AttributeMap;
  created: Millis;
  tags: TagMap;
}

export const Groups = defineTable<GroupRow>()({
  name: 'elbv2.targetGroups',
  scope: 'region',
  key: (row) => [row.arn],
  indexes: { byName: (row) => [row.name], byVpc: (row) => [row.vpcId] },
});

export type TargetState = 'initial' | 'healthy' | 'unhealthy' | 'draining';

export interface TargetRow {
  group: string;
  id: string;
  port: number;
  /** As given at registration: `all`, or a zone. */
  zone?: string | undefined;
  state: TargetState;
  reason?: string | undefined;
  description?: string | undefined;
  /** Consecutive results, counted up to the threshold. */
  successes: number;
  failures: number;
  /** It has passed a check since it was registered. */
  seen: boolean;
  registered: Millis;
}

/** What is known of a target before its first check. */
export const beforeChecks: Pick<TargetRow, 'state' | 'reason' | 'description' | 'successes' | 'failures' | 'seen'> = {
  ...{ state: 'initial', reason: 'Elb.RegistrationInProgress', description: 'Target registration is in progress' },
  ...{ successes: 0, failures: 0, seen: false },
};

export const Targets = defineTable<TargetRow>()({
  name: 'elbv2.targets',
  scope: 'region',
  key: (row) => [row.group, row.id, row.port],
  indexes: { byId: (row) => [row.id] },
});

/** What a node logged in a minute, until its file is written. */
export interface LogLinesRow {
  balancer: string;
  kind: 'access' | 'connection' | 'health_check';
  /** Interface of the node. */
  node: string;
  at: Millis;
  lines: readonly string[];
}

export const LogLines = defineTable<LogLinesRow>()({
  name: 'elbv2.logLines',
  scope: 'region',
  key: (row) => [row.balancer, row.kind, row.node, row.at],
});

export const tables = [Balancers, BalancerNames, Listeners, Rules, Groups, Targets, LogLines];
