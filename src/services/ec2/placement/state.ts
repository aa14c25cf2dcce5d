/** Rows of placement groups, and of who stands where in the zones' hardware. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface PlacementGroupRow {
  id: string;
  name: string;
  strategy: 'cluster' | 'spread' | 'partition' | 'precision-time';
  /** Of partition groups. */
  partitions?: number | undefined;
  created: Millis;
  tags: TagMap;
}

export const PlacementGroups = defineTable<PlacementGroupRow>()({
  name: 'ec2.placementGroups',
  scope: 'region',
  key: (row) => [row.name],
  indexes: { byId: (row) => [row.id] },
});

/** An instance that is on, or a Dedicated Host, on a host of a zone. Hosts belong to no account, so these rows do not either. */
export interface OccupantRow {
  /** Of the instance or the Dedicated Host. */
  id: string;
  account: string;
  zone: string;
  /** `us-east-1a/dc1/rack3/host5` */
  place: string;
  vcpus: number;
  memoryMiB: number;
  /** No other account may be on the host. */
  dedicated: boolean;
  /** Placement group of an instance. */
  groupId?: string | undefined;
  partition?: number | undefined;
}

export const Occupants = defineTable<OccupantRow>()({
  name: 'ec2.occupants',
  scope: 'cloud',
  key: (row) => [row.id],
  indexes: {
    byPlace: (row) => [row.place],
    byGroup: (row) => (row.groupId === undefined ? undefined : [row.groupId, row.zone]),
    byAccount: (row) => [row.account],
  },
});
