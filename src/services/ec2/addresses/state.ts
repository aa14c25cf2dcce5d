/** Rows of Elastic IPs, and of every public address in use in the cloud. */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface AddressRow {
  allocationId: string;
  publicIp: string;
  networkBorderGroup: string;
  association?: { id: string; interfaceId: string; privateIp: string } | undefined;
  tags: TagMap;
}

export const Addresses = defineTable<AddressRow>()({
  name: 'ec2.addresses',
  scope: 'region',
  key: (row) => [row.allocationId],
  indexes: {
    byIp: (row) => [row.publicIp],
    byInterface: (row) => (row.association === undefined ? undefined : [row.association.interfaceId]),
  },
  unique: ['byIp'],
});

/** Who holds a public address: addresses are unique in the whole cloud (VPC-017), so this table is not scoped. */
export interface PublicIpRow {
  address: string;
  account: string;
  region: string;
}

export const PublicIps = defineTable<PublicIpRow>()({
  name: 'ec2.publicIps',
  scope: 'cloud',
  key: (row) => [row.address],
  indexes: { byAccount: (row) => [row.account] },
});
