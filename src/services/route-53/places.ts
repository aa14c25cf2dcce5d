/** Local Zones, which stand for places in routing by distance. */
import { regions, type ZoneInfo } from '../../base/regions.ts';

/** A Local Zone by its group, `us-east-1-bos-1`; its Region stands for its place. */
export function findLocalZone(group: string): ZoneInfo | undefined {
  return regions.flatMap(({ zones }) => zones).find((zone) => zone.type === 'local-zone' && zone.groupName === group);
}
