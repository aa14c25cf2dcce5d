/** Rows of VPC endpoints. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface VpcEndpointRow {
  id: string;
  vpcId: string;
  /** `com.amazonaws.us-east-1.s3` */
  serviceName: string;
  /** Of a service that an account offers; absent for the provider's own. */
  serviceId?: string | undefined;
  type: 'Gateway' | 'Interface';
  /** Endpoints of the provider's own services are available at once. */
  state: 'pendingAcceptance' | 'available' | 'rejected';
  policy: string;
  /** Gateway endpoints: tables that have a route to it. */
  routeTableIds: readonly string[];
  /** Interface endpoints: one interface in each subnet, and the groups that they carry. */
  interfaces: readonly { subnetId: string; interfaceId: string }[];
  groups: readonly string[];
  privateDns: boolean;
  created: Millis;
  tags: TagMap;
}

export const VpcEndpoints = defineTable<VpcEndpointRow>()({
  name: 'ec2.vpcEndpoints',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId] },
});
