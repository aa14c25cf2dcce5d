/** Rows of VPC peering connections: one for the connection, which belongs to nobody, and one in the account and Region of each side. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface PeeringEnd {
  account: string;
  region: string;
  vpcId: string;
  /** Names of the other side's machines are answered with private addresses here ("DNS resolution"). */
  remoteDns: boolean;
}

export type PeeringStatus = 'pending-acceptance' | 'active' | 'deleted' | 'rejected' | 'failed' | 'expired';

export interface PeeringRow {
  id: string;
  requester: PeeringEnd;
  accepter: PeeringEnd;
  status: PeeringStatus;
  message: string;
  expires: Millis;
}

export const Peerings = defineTable<PeeringRow>()({ name: 'ec2.peerings', scope: 'cloud', key: (row) => [row.id] });

/** What one side has of its own. */
export interface PeeringSideRow {
  id: string;
  role: 'requester' | 'accepter';
  /** The VPC on this side. */
  vpcId: string;
  tags: TagMap;
}

export const PeeringSides = defineTable<PeeringSideRow>()({
  name: 'ec2.peeringSides',
  scope: 'region',
  // Both ends may be in one account and Region.
  key: (row) => [row.id, row.role],
  indexes: { byVpc: (row) => [row.vpcId], byId: (row) => [row.id] },
});
