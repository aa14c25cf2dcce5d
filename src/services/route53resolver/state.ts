/** Rows of Resolver: endpoints with their addresses, rules, and which VPCs use them. */
import type { TargetAddress } from '@aws-sdk/client-route53resolver';
import type { Millis } from '../../base/clock.ts';
import { defineTable } from '../../store/tables.ts';

export type TagMap = Readonly<Record<string, string>>;

export interface EndpointAddress {
  id: string;
  subnetId: string;
  zone: string;
  /** As asked for, or as the subnet gave it. */
  ip?: string | undefined;
  interfaceId?: string | undefined;
  created: Millis;
}

export interface EndpointRow {
  id: string;
  creator: string;
  name?: string | undefined;
  direction: 'INBOUND' | 'OUTBOUND';
  groups: readonly string[];
  vpcId: string;
  addresses: readonly EndpointAddress[];
  status: 'CREATING' | 'OPERATIONAL' | 'ACTION_NEEDED' | 'DELETING';
  message: string;
  created: Millis;
  modified: Millis;
  /** What the endpoint's nodes share. */
  secret: string;
  tags: TagMap;
}

export const Endpoints = defineTable<EndpointRow>()({
  name: 'route53resolver.endpoints',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byCreator: (row) => [row.creator] },
});

export interface RuleRow {
  id: string;
  creator: string;
  name?: string | undefined;
  type: 'FORWARD' | 'SYSTEM';
  /** With the dot at the end. */
  domain: string;
  targets: readonly TargetAddress[];
  endpoint?: string | undefined;
  created: Millis;
  modified: Millis;
  tags: TagMap;
}

export const Rules = defineTable<RuleRow>()({
  name: 'route53resolver.rules',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byCreator: (row) => [row.creator],
    byEndpoint: (row) => (row.endpoint === undefined ? undefined : [row.endpoint]),
  },
});

export interface AssociationRow {
  id: string;
  rule: string;
  name?: string | undefined;
  vpcId: string;
}

export const Associations = defineTable<AssociationRow>()({
  name: 'route53resolver.associations',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byRule: (row) => [row.rule], byVpc: (row) => [row.vpcId] },
});
