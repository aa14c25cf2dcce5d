/** States on the way: a stream or consumer that was made or changed becomes active, one that was deleted goes with all that is in it. */
import type { Context } from '../../kernel/context.ts';
import type { FiredJob } from '../../kernel/service.ts';
import { streamNotFound } from './errors.ts';
import { Consumers, Records, Shards, type StreamRow, Streams } from './state.ts';

/** Cloud milliseconds from CREATING or UPDATING to ACTIVE, and to the end of DELETING. */
export const settleMillis = 200;
const trimMillis = 3_600_000;
const pieceRows = 500;

/** Changes an active stream, which is UPDATING for a while. */
export async function setUpdating(ctx: Context, { name, id }: StreamRow, change: (row: StreamRow) => StreamRow): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Streams).get(name);
    if (row === undefined || row.id !== id) throw streamNotFound(name, ctx.account);
    await tx.table(Streams).put({ ...change(row), status: 'UPDATING' });
    await tx.schedule({ task: 'settle', key: name, due: ctx.clock.now() + settleMillis });
  });
}

/** A stream becomes active, or goes with all that is in it. `key` is its name. */
export async function settle({ key: name }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) throw streamNotFound(name, ctx.account);
  if (stream.status !== 'DELETING') {
    await ctx.transact(async (tx) => {
      const row = (await tx.table(Streams).get(name)) ?? stream;
      if (row.status === 'DELETING') return;
      await tx.table(Streams).put({ ...row, status: 'ACTIVE' });
      if (row.status === 'CREATING') await tx.schedule({ task: 'trim', key: name, due: ctx.clock.now() + trimMillis });
    });
    return;
  }
  for (;;) {
    const count = await ctx.transact(async (tx) => {
      const rows = await tx.table(Records).list({ prefix: [stream.id], limit: pieceRows });
      for (const row of rows) await tx.table(Records).delete(row.stream, row.shard, row.index);
      return rows.length;
    });
    if (count < pieceRows) break;
  }
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Shards).list({ prefix: [stream.id] })) await tx.table(Shards).delete(row.stream, row.number);
    for (const row of await tx.table(Consumers).list({ prefix: [stream.id] }))
      await tx.table(Consumers).delete(row.stream, row.name);
    await tx.table(Streams).delete(name);
  });
}

/** A consumer becomes active, or goes. `key` is the stream's id and the consumer's name. */
export async function settleConsumer({ key }: FiredJob, ctx: Context): Promise<void> {
  const [stream = '', name = ''] = key.split(' ');
  await ctx.transact(async (tx) => {
    const row = await tx.table(Consumers).get(stream, name);
    if (row === undefined) return;
    if (row.status === 'DELETING') await tx.table(Consumers).delete(stream, name);
    else await tx.table(Consumers).put({ ...row, status: 'ACTIVE' });
  });
}

/** Drops records whose retention has ended, once an hour; readers skip them before. `key` is the stream's name. */
export async function trim({ key: name, due }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) return;
  const edge = due - stream.retentionHours * 3_600_000;
  for (const shard of await ctx.table(Shards).list({ prefix: [stream.id] })) {
    for (;;) {
      const dropped = await ctx.transact(async (tx) => {
        const rows = await tx.table(Records).list({ prefix: [stream.id, shard.number], limit: pieceRows });
        const old = rows.filter(({ at }) => at <= edge);
        for (const row of old) await tx.table(Records).delete(row.stream, row.shard, row.index);
        return old.length;
      });
      if (dropped < pieceRows) break;
    }
  }
  await ctx.transact((tx) => tx.schedule({ task: 'trim', key: name, due: due + trimMillis }));
}
