/** Keeps the fabric in line with the rows: one reconciler key per VPC. */
import type { Context } from '../../../kernel/context.ts';
import type { Reconciler } from '../../../kernel/service.ts';
import { readNetworkSpec } from './network-spec.ts';
import { Vpcs } from './state.ts';
import { Interfaces } from '../interfaces/state.ts';

/**
 * Makes the network of a VPC what its rows say. A VPC without interfaces needs no network yet: nothing could tell the difference, and every
 * account has a default VPC in every Region it looks at.
 */
export async function applyNetwork(ctx: Context, vpcId: string): Promise<void> {
  const fabric = ctx.part('fabric');
  if (fabric.unavailable !== undefined) return;
  const inUse = (await ctx.table(Interfaces).firstByIndex('byVpc', [vpcId])) !== undefined;
  let spec = inUse ? await readNetworkSpec(ctx, vpcId) : undefined;
  // Launches apply networks too, so an older spec may have been applied after a newer one: go on until the rows say what was applied.
  for (let applied = ''; spec !== undefined && applied !== JSON.stringify(spec); spec = await readNetworkSpec(ctx, vpcId)) {
    applied = JSON.stringify(spec);
    await fabric.ensureNetwork(spec);
  }
  // A reset may have taken the rows away meanwhile, and nobody would look at this key again.
  if (spec === undefined || (await ctx.table(Vpcs).get(vpcId)) === undefined) await fabric.removeNetwork(vpcId);
}

export const networks: Reconciler = {
  /** Every VPC with a row, and every network on the machine whose row is gone. */
  async keys(ctx) {
    const rows = await ctx.everywhere(Vpcs);
    const known = new Set(rows.map(({ row }) => row.id));
    const strays = (await ctx.part('fabric').networks()).filter((key) => !known.has(key));
    return [
      ...rows.map(({ scope, row }) => ({ ...scope, key: row.id })),
      ...strays.map((key) => ({ account: '', region: '', key })),
    ];
  },

  run: (target, ctx) => applyNetwork(ctx, target.key),
};
