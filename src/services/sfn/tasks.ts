/** What happens to executions by the clock and after a start. */
import type { Context } from '../../kernel/context.ts';
import type { FiredJob, Reconciler } from '../../kernel/service.ts';
import { engineOf } from './engine/engine.ts';
import { mapRunArn } from './rules.ts';
import { Events, Executions, ExpressRuns, Frames, Live, MapItems, MapRuns } from './state.ts';

/** Rows deleted in one transaction. */
const pieceRows = 500;

/** The time of a wait, a retry, a timeout or a heartbeat has come. */
export async function timer({ key }: FiredJob, ctx: Context): Promise<void> {
  const [machine = '', execution = '', frame = ''] = key.split(' ');
  await engineOf(ctx).timer(ctx, machine, execution, Number(frame));
}

/** "Execution history … retained for 90 days after the execution is closed." */
export async function purge({ key }: FiredJob, ctx: Context): Promise<void> {
  const [machine = '', name = ''] = key.split(' ');
  for (;;) {
    const left = await ctx.transact(async (tx) => {
      const events = await tx.table(Events).list({ prefix: [machine, name], limit: pieceRows });
      for (const { id } of events) await tx.table(Events).delete(machine, name, id);
      if (events.length > 0) return true;
      for (const { id } of await tx.table(Frames).list({ prefix: [machine, name] }))
        await tx.table(Frames).delete(machine, name, id);
      for (const run of await tx.table(MapRuns).byIndex('byParent', [machine, name])) {
        const items = await tx.table(MapItems).list({ prefix: [mapRunArn(ctx, run.machine, run.id)], limit: pieceRows });
        for (const { index } of items) await tx.table(MapItems).delete(items[0]?.run ?? '', index);
        if (items.length > 0) return true;
        await tx.table(MapRuns).delete(run.machine, run.id);
      }
      await tx.table(Executions).delete(machine, name);
      return false;
    });
    if (!left) return;
  }
}

/** Executions that were running when the process ended go on from their rows. */
export const executions: Reconciler = {
  async keys(ctx) {
    const rows = [...(await ctx.everywhere(Live)), ...(await ctx.everywhere(ExpressRuns))];
    return rows.map(({ scope, row }) => ({ ...scope, key: `${row.machine} ${row.name}` }));
  },
  async run({ account, region, key }, ctx) {
    const [machine = '', name = ''] = key.split(' ');
    const express = await ctx.table(ExpressRuns).get(machine, name);
    if (express !== undefined) await engineOf(ctx).beginAgain({ account, region }, express);
    else await engineOf(ctx).resume({ account, region }, machine, name);
  },
};
