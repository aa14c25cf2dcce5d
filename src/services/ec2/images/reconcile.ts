/**
 * Makes pending images real: takes a frozen copy of the instance's disk, once the machine is down if it was to be rebooted for it; and removes the
 * copies that no image needs any more.
 */
import type { Context } from '../../../kernel/context.ts';
import type { Reconciler } from '../../../kernel/service.ts';
import { Instances } from '../instances/state.ts';
import { writeImage } from './own.ts';
import { type ImageRow, Images } from './state.ts';

async function settleImage(ctx: Context, row: ImageRow, outcome: Partial<ImageRow>): Promise<void> {
  await ctx.transact(async (tx) => {
    const latest = await tx.table(Images).get(row.id);
    if (latest?.state === 'pending') await writeImage(tx, ctx, { ...latest, ...outcome, pendingFrom: undefined });
    const instanceId = row.pendingFrom?.instanceId;
    if (instanceId === undefined) return;
    const instance = await tx.table(Instances).get(instanceId);
    if (instance?.heldFor !== row.id) return;
    await tx.table(Instances).put({ ...instance, heldFor: undefined });
    tx.hint('machines', instanceId);
  });
}

async function make(ctx: Context, row: ImageRow): Promise<void> {
  const machines = ctx.part('machines');
  const { pendingFrom: from } = row;
  if (from === undefined || machines.unavailable !== undefined) return settleImage(ctx, row, { state: 'available' });
  const instance = await ctx.table(Instances).get(from.instanceId);
  if (instance === undefined || instance.intent === 'terminated') {
    await settleImage(ctx, row, { state: 'failed', stateReason: `The instance ${from.instanceId} is gone.` });
    return;
  }
  // The machine reconciler takes it down first and hints again.
  if (instance.heldFor === row.id && (await machines.status(instance.id))?.state === 'running') return;
  await machines.freeze(instance.rootVolume.id, row.planeImage);
  await settleImage(ctx, row, { state: 'available' });
}

/** Keys are ids of images, and names of plane images whose image was deregistered. */
export const images: Reconciler = {
  async keys(ctx) {
    const pending = (await ctx.everywhere(Images)).filter(({ row }) => row.state === 'pending');
    return pending.map(({ scope, row }) => ({ ...scope, key: row.id }));
  },

  async run({ key }, ctx) {
    const row = await ctx.table(Images).get(key);
    if (row !== undefined) {
      if (row.state === 'pending') await make(ctx, row);
      return;
    }
    const machines = ctx.part('machines');
    if (key === '' || key === 'host' || machines.unavailable !== undefined) return;
    if (!(await ctx.everywhere(Images)).some((one) => one.row.planeImage === key)) await machines.removeImage(key);
  },
};
