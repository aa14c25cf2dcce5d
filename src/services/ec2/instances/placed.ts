/** From a machine to its instance, whoever owns it: by the row of who stands where, so that no other account's rows are read. */
import { findZone } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { Occupants } from '../placement/state.ts';
import { type InstanceRow, Instances } from './state.ts';

export interface PlacedInstance {
  /** A context in the instance's account and Region. */
  own: Context;
  row: InstanceRow;
}

/** The instance on a host whose machine has this key (its id); undefined for one that is stopped or gone. */
export async function findPlaced(ctx: Context, id: string): Promise<PlacedInstance | undefined> {
  const occupant = await ctx.table(Occupants).get(id);
  const region = occupant === undefined ? undefined : findZone(occupant.zone)?.region;
  if (occupant === undefined || region === undefined) return undefined;
  const own = ctx.inScope({ account: occupant.account, region });
  const row = await own.table(Instances).get(id);
  return row === undefined ? undefined : { own, row };
}
