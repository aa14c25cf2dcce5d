/** Rows of NAT gateways. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface NatGatewayRow {
  id: string;
  clientToken?: string | undefined;
  vpcId: string;
  subnetId: string;
  state: 'pending' | 'failed' | 'available' | 'deleting' | 'deleted';
  failure?: { code: string; message: string } | undefined;
  created: Millis;
  deleted?: Millis | undefined;
  /** What it holds, or held until it was deleted; nothing when it failed. */
  address?: { interfaceId: string; allocationId: string; associationId: string; privateIp: string; publicIp: string } | undefined;
  tags: TagMap;
}

export const NatGateways = defineTable<NatGatewayRow>()({
  name: 'ec2.natGateways',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byVpc: (row) => [row.vpcId],
    byToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]),
  },
});
