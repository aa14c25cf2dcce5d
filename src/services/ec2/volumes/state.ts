/** Rows of EBS volumes: so far the root volumes that instances are launched with. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface VolumeRow {
  id: string;
  sizeGiB: number;
  type: 'gp2' | 'gp3' | 'standard';
  zone: string;
  created: Millis;
  /** The instance that holds it; absent when it outlived its instance. Device and flags are the instance's. */
  instanceId?: string | undefined;
  tags: TagMap;
}

export const Volumes = defineTable<VolumeRow>()({
  name: 'ec2.volumes',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byInstance: (row) => (row.instanceId === undefined ? undefined : [row.instanceId]) },
});
