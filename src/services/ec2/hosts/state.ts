/** Rows of Dedicated Hosts: hosts of a zone that one account has for itself. */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface DedicatedHostRow {
  id: string;
  zone: string;
  zoneId: string;
  /** The one type it takes, or none when it takes every size of its family. */
  instanceType?: string | undefined;
  family: string;
  autoPlacement: 'on' | 'off';
  state: 'available' | 'released';
  allocated: Millis;
  released?: Millis | undefined;
  clientToken?: string | undefined;
  /** Where it stands in the zone. */
  place: string;
  tags: TagMap;
}

export const DedicatedHosts = defineTable<DedicatedHostRow>()({
  name: 'ec2.dedicatedHosts',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byClientToken: (row) => (row.clientToken === undefined ? undefined : [row.clientToken]) },
});
