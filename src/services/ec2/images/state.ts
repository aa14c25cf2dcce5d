/** Rows of images that an account owns; the provider's own catalogue is data (catalogue.ts). */
import type { Millis } from '../../../base/clock.ts';
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface ImageRow {
  id: string;
  name: string;
  description: string;
  state: 'pending' | 'available' | 'failed' | 'deregistered';
  created: Millis;
  architecture: 'x86_64' | 'arm64';
  rootDeviceName: string;
  rootSizeGiB: number;
  /** Image of the machines plane that it stands for. */
  planeImage: string;
  /** Login name. */
  user: string;
  tags: TagMap;
}

export const Images = defineTable<ImageRow>()({
  name: 'ec2.images',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byName: (row) => [row.name] },
});
