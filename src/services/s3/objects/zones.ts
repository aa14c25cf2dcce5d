/**
 * Objects that lie in one zone: those of ONEZONE_IA and all of a directory bucket. The other classes are spread over at least three zones and outlive
 * the loss of one ("Amazon S3 storage classes", Comparing the storage classes).
 */
import { createHash } from 'node:crypto';
import { findRegion } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import type { BucketRow, VersionRow } from '../state.ts';
import { serviceUnavailable } from '../errors.ts';

/** The zone of a new version; undefined for classes that are in several. S3 chooses among the zones that work; the same key lands in the same. */
export function zoneFor(
  ctx: Context,
  bucket: Pick<BucketRow, 'name' | 'region' | 'zone'>,
  { key, storageClass }: Pick<VersionRow, 'key' | 'storageClass'>,
): string | undefined {
  if (bucket.zone !== undefined) return bucket.zone;
  if (storageClass !== 'ONEZONE_IA') return undefined;
  const zones = findRegion(bucket.region)?.zones.filter(({ type }) => type === 'availability-zone') ?? [];
  const faults = ctx.part('zones');
  const working = zones.filter(({ name }) => faults.downSince(name) === undefined);
  const digest = createHash('sha256').update(`${bucket.name}/${key}`).digest();
  return working[digest.readUInt32BE(0) % Math.max(working.length, 1)]?.name;
}

/** Throws ServiceUnavailable while the zone that holds the bytes is down. */
export function checkZone(ctx: Context, zone: string | undefined): void {
  if (zone !== undefined && ctx.part('zones').downSince(zone) !== undefined) throw serviceUnavailable();
}
