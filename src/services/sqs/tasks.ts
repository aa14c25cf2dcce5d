/**
 * What happens to queues without a request: messages whose retention has ended go, shelves of purged and deleted queues are cleared. In pieces, so
 * that a million rows never stand in one transaction.
 */
import type { Context } from '../../kernel/context.ts';
import type { FiredJob } from '../../kernel/service.ts';
import type { Table } from '../../store/tables.ts';
import { deskOf } from './desk.ts';
import { drop } from './shelf.ts';
import { Attempts, Counters, Flights, GroupMessages, GroupPlaces, Groups, Messages, Queues, Receipts, Waiting } from './state.ts';

const pieceRows = 500;

/** Drops what has outlived its retention, then waits for the next message's time. `key` is the queue's name. */
export async function sweep({ key: name }: FiredJob, ctx: Context): Promise<void> {
  const now = ctx.clock.now();
  for (;;) {
    const more = await ctx.transact(async (tx) => {
      const queue = await tx.table(Queues).get(name);
      if (queue === undefined) return false;
      const shelf = { tx, scope: ctx, queue, desk: deskOf(ctx), now };
      const edge = now - queue.retentionSeconds * 1000;
      const before = [queue.shelf, edge, Number.POSITIVE_INFINITY];
      const rows = await tx.table(Messages).list({ prefix: [queue.shelf], before, limit: pieceRows });
      for (const row of rows) await drop(shelf, row, await tx.table(Receipts).get(queue.shelf, row.sequence));
      if (rows.length === pieceRows) return true;
      const [next] = await tx.table(Messages).list({ prefix: [queue.shelf], limit: 1 });
      const sweepAt = next === undefined ? undefined : next.sent + queue.retentionSeconds * 1000;
      const counter = await tx.table(Counters).get(queue.shelf);
      const held = counter?.held ?? (await tx.table(Messages).count([queue.shelf]));
      if (counter !== undefined) await tx.table(Counters).put({ ...counter, sweepAt, held });
      if (sweepAt !== undefined) await tx.schedule({ task: 'sweep', key: name, due: sweepAt });
      return false;
    });
    if (!more) return;
  }
}

/** Clears a shelf that no queue has any more. `key` is its id. */
export async function clearShelf({ key: shelf }: FiredJob, ctx: Context): Promise<void> {
  await clearTable(ctx, Messages, shelf);
  await clearTable(ctx, Waiting, shelf);
  await clearTable(ctx, Flights, shelf);
  await clearTable(ctx, Receipts, shelf);
  await clearTable(ctx, GroupMessages, shelf);
  await clearTable(ctx, Groups, shelf);
  await clearTable(ctx, GroupPlaces, shelf);
}

async function clearTable<Row, Index extends string>(ctx: Context, table: Table<Row, Index>, shelf: string): Promise<void> {
  for (;;) {
    const count = await ctx.transact(async (tx) => {
      const writer = tx.table(table);
      const rows = await writer.list({ prefix: [shelf], limit: pieceRows });
      for (const row of rows) await writer.delete(...writer.keyOf(row));
      return rows.length;
    });
    if (count < pieceRows) return;
  }
}

/** Forgets a receive attempt id. `key` is queue id and attempt id. */
export async function forgetAttempt({ key }: FiredJob, ctx: Context): Promise<void> {
  const [queue = '', ...attempt] = key.split(' ');
  await ctx.transact((tx) => tx.table(Attempts).delete(queue, attempt.join(' ')));
}
