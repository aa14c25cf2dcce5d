/** Rows of egress-only internet gateways. Blocks and addresses are in the rows of VPCs, subnets and interfaces. */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface EgressOnlyGatewayRow {
  id: string;
  vpcId: string;
  tags: TagMap;
}

export const EgressOnlyGateways = defineTable<EgressOnlyGatewayRow>()({
  name: 'ec2.egressOnlyGateways',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId] },
});
