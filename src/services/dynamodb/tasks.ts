/** What happens without a request: the sweeping of what deleted tables and indexes leave behind, and of expired tokens. */
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import type { Key } from '../../store/store.ts';
import type { Table } from '../../store/tables.ts';
import { isLogged } from './items/change.ts';
import { entryKey, itemKey, type KeyNames } from './keys.ts';
import { sweepStamps } from './replication/replicas.ts';
import { Changes, Counts, Entries, type IndexRow, type ItemRow, Items, type TableRow, Tables, Tokens } from './state.ts';
import { storedOf } from './stored.ts';
import { retention } from './streams/read.ts';
import { forgetExpiries } from './ttl.ts';
import type { Item } from './values.ts';

/** Rows removed in one transaction. */
const sweepRows = 500;

/** Ends the deletion of a table: its row goes, then its items, entries and log. The name may be in use again already, by a table with a space of its own. */
export const removeTable: Task = async ({ key: space, payload }, ctx) => {
  const row = payload as unknown as TableRow;
  await ctx.transact(async (tx) => {
    const found = await tx.table(Tables).get(row.name);
    if (found?.space === space) await tx.table(Tables).delete(row.name);
  });
  await sweepTable(ctx, row);
};

/** Removes what a table holds. */
export async function sweepTable(ctx: Context, row: TableRow): Promise<void> {
  await sweep(ctx, Items, row.space, (item) => itemKey(row.space, item, row));
  for (const index of row.indexes) await sweepIndex(ctx, row, index);
  await forgetExpiries(ctx, row.space);
  await sweepStamps(ctx, ctx, row.space);
  for (;;) {
    const removed = await ctx.transact(async (tx) => {
      const changes = await tx.table(Changes).list({ prefix: [row.space], limit: sweepRows });
      for (const change of changes) await tx.table(Changes).delete(change.space, change.at, change.count);
      await tx.table(Counts).delete(row.space);
      return changes.length;
    });
    if (removed < sweepRows) return;
  }
}

/** Removes the entries of an index. */
export async function sweepIndex(ctx: Context, table: KeyNames, index: IndexRow): Promise<void> {
  await sweep(ctx, Entries, index.space, (item) => entryKey(index.space, item, index, table));
  await ctx.transact((tx) => tx.table(Counts).delete(index.space));
}

async function sweep(ctx: Context, table: Table<ItemRow>, space: string, keyOf: (item: Item) => Key): Promise<void> {
  for (;;) {
    const removed = await ctx.transact(async (tx: Transaction) => {
      const rows = await tx.table(table).list({ prefix: [space], limit: sweepRows });
      for (const row of rows) await tx.table(table).delete(...keyOf(storedOf(row).item));
      return rows.length;
    });
    if (removed < sweepRows) return;
  }
}

/** Removes tokens that are over. */
export const sweepTokens: Task = async ({ due }, ctx) => {
  await ctx.transact(async (tx) => {
    const rows = await tx.table(Tokens).byIndex('byExpiry', [], { limit: sweepRows });
    const over = rows.filter(({ expires }) => expires <= due);
    for (const { token } of over) await tx.table(Tokens).delete(token);
    const next = rows[over.length];
    if (next !== undefined) await tx.schedule({ task: 'sweepTokens', key: 'tokens', due: next.expires });
    else if (over.length === sweepRows) await tx.schedule({ task: 'sweepTokens', key: 'tokens', due });
  });
};

const trimMillis = 3_600_000;
const day = 86_400_000;

/** Cuts the log of a table: streams want a day of it, recovery its period. Comes again every hour while there is a log. */
export const trim: Task = async ({ key: space, due, payload }, ctx) => {
  const name = (payload as { table: string }).table;
  for (;;) {
    const left = await ctx.transact(async (tx) => {
      const found = await tx.table(Tables).get(name);
      const table = found?.space === space ? found : undefined;
      const kept = Math.max(retention, (table?.recovery?.days ?? 0) * day);
      const rows = await tx.table(Changes).list({ prefix: [space], before: [space, due - kept], limit: sweepRows });
      for (const row of rows) await tx.table(Changes).delete(space, row.at, row.count);
      if (rows.length === sweepRows) return true;
      const more = (await tx.table(Changes).list({ prefix: [space], limit: 1 })).length > 0;
      if (more || (table !== undefined && isLogged(table)))
        await tx.schedule({ task: 'trim', key: space, due: due + trimMillis, payload: { table: name } });
      return false;
    });
    if (!left) return;
  }
};
