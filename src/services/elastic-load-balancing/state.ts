/** Rows of Classic Load Balancers. */
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type Protocol = 'HTTP' | 'HTTPS' | 'TCP' | 'SSL';

export interface ListenerRow {
  protocol: Protocol;
  port: number;
  instanceProtocol: Protocol;
  instancePort: number;
  certificate?: string | undefined;
  /** Names of stickiness policies: at most one. */
  policies: readonly string[];
}

/** Stickiness by a cookie of the load balancer's own, which lasts as long as the application's where that is named. */
export interface PolicyRow {
  name: string;
  /** Name of the application's cookie. */
  follows?: string | undefined;
  /** Undefined: for the browser's session. */
  seconds?: number | undefined;
}

export interface CheckRow {
  /** `HTTP:80/health`, `TCP:80`. */
  target: string;
  interval: number;
  timeout: number;
  unhealthy: number;
  healthy: number;
}

export interface BalancerRow {
  name: string;
  scheme: 'internet-facing' | 'internal';
  vpcId: string;
  subnets: readonly { id: string; zone: string }[];
  groups: readonly string[];
  listeners: readonly ListenerRow[];
  policies: readonly PolicyRow[];
  check: CheckRow;
  crossZone: boolean;
  draining: { enabled: boolean; seconds: number };
  idleSeconds: number;
  /** Desync mitigation; defensive where absent. */
  desync?: 'monitor' | 'defensive' | 'strictest' | undefined;
  created: Millis;
  tags: Readonly<Record<string, string>>;
  dnsName: string;
  secret: string;
  deleting: boolean;
  /** Written by the reconciler alone, as are the certificates that ACM was told of. */
  held: readonly string[];
  nodes: readonly { interfaceId: string; zone: string; address: string; publicIp?: string | undefined }[];
}

export const Balancers = defineTable<BalancerRow>()({ name: 'elb.loadBalancers', scope: 'region', key: (row) => [row.name] });

/** Whose a DNS name is: names are unique in the cloud. */
export interface NameRow {
  dnsName: string;
  account: string;
  region: string;
  name: string;
}

export const Names = defineTable<NameRow>()({
  name: 'elb.names',
  scope: 'cloud',
  key: (row) => [row.dnsName],
  indexes: { byAccount: (row) => [row.account] },
});

export interface InstanceRow {
  balancer: string;
  id: string;
  state: 'InService' | 'OutOfService' | 'draining';
  reason: string;
  successes: number;
  failures: number;
}

export const Members = defineTable<InstanceRow>()({
  name: 'elb.instances',
  scope: 'region',
  key: (row) => [row.balancer, row.id],
  indexes: { byId: (row) => [row.id] },
});

export const tables = [Balancers, Names, Members];
