/**
 * Copies of a table as it was at a moment: backups, and restores from a backup or to a point in time. The items are copied as they are now, chunk by
 * chunk, while the table is in use; then the log is read from that moment on, and each item that changed since gets what it was before its first change.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Key } from '../../../store/store.ts';
import { applyChange, loggedItem } from '../items/change.ts';
import { readStored } from '../items/write.ts';
import { itemKey } from '../keys.ts';
import { Changes, type ChangeRow, Items, type TableRow } from '../state.ts';
import { type StoredItem, storedOf } from '../stored.ts';
import type { Item } from '../values.ts';

const chunkRows = 200;

export interface Copy {
  from: Pick<TableRow, 'space' | 'hash' | 'range'>;
  to: TableRow;
  /** The moment; absent when `from` no longer changes. */
  at?: Millis | undefined;
}

/** Carries out a copy. May be repeated after a crash: what is there already is written again. */
export async function copyTable(ctx: Context, copy: Copy): Promise<void> {
  let after: Key | undefined;
  do after = await ctx.transact((tx) => copySome(tx, ctx, copy, after));
  while (after !== undefined);
  if (copy.at !== undefined) await undoSince(ctx, copy, copy.at);
}

async function copySome(tx: Transaction, ctx: Context, { from, to }: Copy, after: Key | undefined): Promise<Key | undefined> {
  const rows = await tx.table(Items).list({ prefix: [from.space], limit: chunkRows, ...(after === undefined ? {} : { after }) });
  for (const row of rows) {
    const stored = storedOf(row);
    await writeCopy(tx, ctx, to, itemKey(to.space, stored.item, to), stored);
  }
  const last = rows.at(-1);
  return last === undefined || rows.length < chunkRows ? undefined : itemKey(from.space, storedOf(last).item, from);
}

async function writeCopy(tx: Transaction, ctx: Context, to: TableRow, key: Key, after: StoredItem | undefined): Promise<void> {
  const before = await readStored(tx, ctx, key);
  if (before === undefined && after === undefined) return;
  await applyChange(tx, { scope: ctx, table: to, key, before, after, now: ctx.now });
}

async function undoSince(ctx: Context, { from, to }: Copy, at: Millis): Promise<void> {
  const seen = new Set<string>();
  let last: readonly [number, number] = [at, Number.MAX_SAFE_INTEGER];
  for (;;) {
    const changes: ChangeRow[] = await ctx
      .table(Changes)
      .list({ prefix: [from.space], after: [from.space, ...last], limit: chunkRows });
    await ctx.transact(async (tx) => {
      for (const change of changes) {
        const key = itemKey(to.space, JSON.parse(change.keys) as Item, to);
        const id = key.join('\0');
        // The first change after the moment knows what was there at it.
        if (seen.has(id)) continue;
        seen.add(id);
        await writeCopy(tx, ctx, to, key, loggedItem(change.before));
      }
    });
    const end = changes.at(-1);
    if (end === undefined || changes.length < chunkRows) return;
    last = [end.at, end.count];
  }
}
