/** Rows of security groups and their rules. */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface SecurityGroupRow {
  id: string;
  vpcId: string;
  name: string;
  description: string;
  tags: TagMap;
}

export const SecurityGroups = defineTable<SecurityGroupRow>()({
  name: 'ec2.securityGroups',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId, row.name] },
  unique: ['byVpc'],
});

export interface SecurityGroupRuleRow {
  id: string;
  groupId: string;
  egress: boolean;
  /** IP protocol number, -1 for all. */
  protocol: number;
  /** TCP and UDP: ports. ICMP: type and code, -1 for any. Absent with protocol -1. */
  from?: number | undefined;
  to?: number | undefined;
  peer: { kind: 'ipv4'; cidr: string } | { kind: 'ipv6'; cidr: string } | { kind: 'group'; groupId: string; account: string };
  description?: string | undefined;
  tags: TagMap;
}

export const SecurityGroupRules = defineTable<SecurityGroupRuleRow>()({
  name: 'ec2.securityGroupRules',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byGroup: (row) => [row.groupId],
    byPeerGroup: (row) => (row.peer.kind === 'group' ? [row.peer.groupId] : undefined),
  },
});
