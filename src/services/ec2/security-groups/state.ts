/** Rows of security groups and their rules. */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface SecurityGroupRow {
  id: string;
  vpcId: string;
  name: string;
  description: string;
  /** Further VPCs that it is associated with. */
  otherVpcs?: readonly string[] | undefined;
  tags: TagMap;
}

export const SecurityGroups = defineTable<SecurityGroupRow>()({
  name: 'ec2.securityGroups',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId, row.name], byOtherVpc: (row) => (row.otherVpcs ?? []).map((vpcId) => [vpcId]) },
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
  peer:
    | { kind: 'ipv4'; cidr: string }
    | { kind: 'ipv6'; cidr: string }
    | { kind: 'prefix-list'; id: string }
    | { kind: 'group'; groupId: string; account: string; vpcId?: string | undefined; peeringId?: string | undefined };
  description?: string | undefined;
  tags: TagMap;
}

export const SecurityGroupRules = defineTable<SecurityGroupRuleRow>()({
  name: 'ec2.securityGroupRules',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byGroup: (row) => [row.groupId],
    byPrefixList: (row) => (row.peer.kind === 'prefix-list' ? [row.peer.id] : undefined),
    byPeerGroup: (row) => (row.peer.kind === 'group' ? [row.peer.groupId] : undefined),
  },
});
