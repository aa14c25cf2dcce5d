/** What a zone that is down means for calls that need it. */
import { findRegion } from '../../base/regions.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';

/** Throws InsufficientInstanceCapacity when the zone is down. */
export function checkCapacity(ctx: Context, zone: string, type: string): void {
  if (ctx.part('zones').downSince(zone) !== undefined) throw insufficientCapacity(ctx, zone, type);
}

/** InsufficientInstanceCapacity, a fault of the service's side (500), naming the zones that work. */
export function insufficientCapacity(ctx: Context, zone: string, type: string): AwsError {
  const zones = ctx.part('zones');
  const others = (findRegion(ctx.region)?.zones ?? [])
    .filter((other) => other.type === 'availability-zone' && other.name !== zone && zones.downSince(other.name) === undefined)
    .map((other) => other.name);
  return new AwsError(
    'InsufficientInstanceCapacity',
    `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}). Our system will be working on provisioning additional capacity. You can currently get ${type} capacity by not specifying an Availability Zone in your request or choosing ${others.join(', ')}.`,
    { status: 500 },
  );
}
