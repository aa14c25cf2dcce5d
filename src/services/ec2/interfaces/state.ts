/** Rows of network interfaces. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface PrivateAddressRow {
  address: string;
  /** Elastic IP associated with this private address. */
  elastic?: { allocationId: string; associationId: string; publicIp: string } | undefined;
}

export interface AttachmentRow {
  id: string;
  instanceId: string;
  deviceIndex: number;
  deleteOnTermination: boolean;
  attachedAt: Millis;
}

export interface InterfaceRow {
  id: string;
  vpcId: string;
  subnetId: string;
  zone: string;
  mac: string;
  description: string;
  /** The primary one first. */
  addresses: readonly PrivateAddressRow[];
  addresses6?: readonly string[] | undefined;
  /** Public address assigned at launch, which belongs to the provider; it goes when the instance stops. */
  autoPublicIp?: string | undefined;
  groups: readonly string[];
  sourceDestCheck: boolean;
  interfaceType: string;
  /** What holds a requester-managed interface: a NAT gateway, an endpoint, a load balancer; only that may change it. */
  holder?: { attachmentId: string; resourceId: string } | undefined;
  /** Of a load balancer's: its groups are not asked about traffic of endpoints. */
  passagesUnchecked?: boolean | undefined;
  attachment?: AttachmentRow | undefined;
  tags: TagMap;
}

export const Interfaces = defineTable<InterfaceRow>()({
  name: 'ec2.networkInterfaces',
  scope: 'region',
  key: (row) => [row.id],
  indexes: {
    byVpc: (row) => [row.vpcId],
    bySubnet: (row) => [row.subnetId],
    byInstance: (row) => (row.attachment === undefined ? undefined : [row.attachment.instanceId, row.attachment.deviceIndex]),
    byAddress: (row) =>
      [...row.addresses.map(({ address }) => address), ...(row.addresses6 ?? [])].map((address) => [row.vpcId, address]),
    byGroup: (row) => row.groups.map((group) => [group]),
  },
  unique: ['byAddress'],
});
