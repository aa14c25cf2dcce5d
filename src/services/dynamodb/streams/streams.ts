/** Streams begin and end; what they show is read from the log of changes (read.ts). */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { Counts, type Position, Streams, type TableRow } from '../state.ts';
import { retention } from './read.ts';
import { streamArn } from '../tables/describe.ts';

/** Where the log of a table stands. */
async function lastPosition(tx: Transaction, space: string): Promise<Position> {
  const counted = await tx.table(Counts).get(space);
  return { at: counted?.at ?? 0, count: counted?.count ?? 0 };
}

/** Begins the stream that the row names. */
export async function startStream(tx: Transaction, ctx: Context, row: TableRow): Promise<void> {
  if (row.stream === undefined) return;
  const { label, view } = row.stream;
  await tx.table(Streams).put({
    table: row.name,
    label,
    arn: streamArn(row, label),
    view,
    space: row.space,
    hash: row.hash,
    range: row.range,
    created: ctx.now,
    after: await lastPosition(tx, row.space),
  });
  await tx.schedule({ task: 'trim', key: row.space, due: ctx.now + retention, payload: { table: row.name } });
}

/** Ends the stream that the row names; it can be read for another day. */
export async function endStream(tx: Transaction, ctx: Context, row: TableRow): Promise<void> {
  if (row.stream === undefined) return;
  const { label } = row.stream;
  const until = await lastPosition(tx, row.space);
  await tx.table(Streams).update([row.name, label], (stream) => ({ ...stream, until, ended: ctx.now }));
}
