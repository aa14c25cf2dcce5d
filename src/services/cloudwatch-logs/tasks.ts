/** What happens in CloudWatch Logs without a request: events vanish when their retention is over, and with their group or stream. */
import type { Context } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { eventBytes, oldestKept } from './rules.ts';
import { type LogEventRow, LogEvents, LogGroups, LogStreams } from './state.ts';

/** Rows that one transaction deletes. */
const batchRows = 1000;
/** Milliseconds of cloud time between two looks at a group's old events. Readers never see them meanwhile. */
const expireEvery = 3_600_000;

/** Deletes the events of a group or stream that is gone, a batch at a time. */
export const purge: Task = async ({ key, due, payload }, ctx) => {
  const { groupId, streamId } = payload as { groupId: string; streamId?: string };
  const prefix = streamId === undefined ? [groupId] : [groupId, streamId];
  const rows = await ctx.table(LogEvents).list({ prefix, limit: batchRows });
  await ctx.transact(async (tx) => {
    for (const row of rows) await tx.table(LogEvents).delete(row.groupId, row.streamId, row.at, row.ordinal);
    if (rows.length === batchRows) await tx.schedule({ task: 'purge', key, due, payload });
  });
};

/** Deletes events older than their group's retention, and asks to be called again. */
export const expire: Task = async ({ key, due, payload }, ctx) => {
  const { group } = payload as { group: string };
  const row = await ctx.table(LogGroups).get(group);
  if (row?.retentionDays === undefined) return;
  const cutoff = oldestKept(ctx.now, row.retentionDays);
  const oldest = await ctx.table(LogEvents).byIndex('byTime', [row.id], { limit: batchRows });
  const old = oldest.filter(({ at }) => at < cutoff);
  await removeEvents(ctx, group, old);
  const again = old.length === batchRows ? due : Math.max(due, ctx.now) + expireEvery;
  await ctx.transact((tx) => tx.schedule({ task: 'expire', key, due: again, payload }));
};

async function removeEvents(ctx: Context, group: string, events: readonly LogEventRow[]): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const event of events) await tx.table(LogEvents).delete(event.groupId, event.streamId, event.at, event.ordinal);
    for (const name of new Set(events.map(({ stream }) => stream))) {
      const bytes = events.filter(({ stream }) => stream === name).reduce((sum, { message }) => sum + eventBytes(message), 0);
      await tx.table(LogStreams).update([group, name], (row) => ({ ...row, storedBytes: Math.max(0, row.storedBytes - bytes) }));
    }
  });
}
