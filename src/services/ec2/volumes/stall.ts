/** The failure of the path to a volume: its I/O stands still until it is back ("Volume status checks", stalled). */
import type { Context } from '../../../kernel/context.ts';
import { Volumes } from './state.ts';

/** Lets all I/O of a volume of any account stand still, or go on; false when there is no such volume. Safe to repeat. */
export async function stallVolume(ctx: Context, id: string, stalled: boolean): Promise<boolean> {
  const found = (await ctx.everywhere(Volumes)).find(({ row }) => row.id === id);
  if (found === undefined) return false;
  await ctx.inScope(found.scope).transact(async (tx) => {
    const row = await tx.table(Volumes).get(id);
    if (row === undefined) return;
    await tx.table(Volumes).put({ ...row, stalledSince: stalled ? (row.stalledSince ?? ctx.clock.now()) : undefined });
    for (const { instanceId } of row.attachments ?? []) tx.hint('machines', instanceId);
  });
  return true;
}
