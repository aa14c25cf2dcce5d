/**
 * Replicas in three Availability Zones ("High availability and durability"; "Amazon DynamoDB: A Scalable, Predictably Performant, and Fully Managed
 * NoSQL Database Service", section 3: a write is acknowledged once two of the three have it). With one zone down all goes on. With two, nothing can be
 * written or read consistently, while eventual reads are answered by the replica that is left. Rows lie in the cloud's own store: no copies are made,
 * and which zones are down decides.
 */
import { findRegion } from '../../base/regions.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';

const replicas = 3;
const majority = 2;

/** Throws InternalServerError when too few zones of the Region are up: a majority of the replicas, or any one for eventual reads. */
export function requireReplicas(ctx: Context, eventual: boolean): void {
  const zones = (findRegion(ctx.region)?.zones ?? []).slice(0, replicas);
  const faults = ctx.part('zones');
  const down = zones.filter(({ name }) => faults.downSince(name) !== undefined).length;
  if (down === 0 || zones.length - down >= (eventual ? 1 : Math.min(majority, zones.length))) return;
  throw new AwsError('InternalServerError', 'Internal server error', { status: 500 });
}
