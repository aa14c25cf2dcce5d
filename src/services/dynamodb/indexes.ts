/** Global indexes that are added to a table with items, or taken away. */
import type { Context } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import type { Key } from '../../store/store.ts';
import { projected } from './items/change.ts';
import { entryKey, itemKey } from './keys.ts';
import { Counts, Entries, type IndexRow, Items, type TableRow, Tables } from './state.ts';
import { storedOf } from './stored.ts';
import { sweepIndex } from './tasks.ts';

/** Items looked at in one transaction. */
const chunkRows = 200;

interface Payload {
  table: string;
  index: string;
}

/** Fills a new index from the items that were there before it. Writes since then have put their entries in already. */
export const backfill: Task = async ({ key: space, payload }, ctx) => {
  const { table: name } = payload as unknown as Payload;
  let after: Key | undefined;
  for (;;) {
    const step = await fillSome(ctx, name, space, after);
    if (step === 'gone') return;
    if (step === 'done') break;
    after = step;
  }
  await changeIndexRow(ctx, name, space, ({ backfilling: _, ...index }) => ({ ...index, status: 'ACTIVE' }));
};

async function fillSome(ctx: Context, name: string, space: string, after: Key | undefined): Promise<Key | 'done' | 'gone'> {
  return ctx.transact(async (tx) => {
    const table = await tx.table(Tables).get(name);
    const index = table?.indexes.find((candidate) => candidate.space === space);
    if (table === undefined || index === undefined) return 'gone';
    const rows = await tx
      .table(Items)
      .list({ prefix: [table.space], limit: chunkRows, ...(after === undefined ? {} : { after }) });
    const counted = (await tx.table(Counts).get(space)) ?? { space, items: 0, bytes: 0 };
    let { items, bytes } = counted;
    for (const row of rows) {
      const entry = projected(table, index, storedOf(row));
      if (entry === undefined) continue;
      const key = entryKey(space, entry.item, index, table);
      if ((await tx.table(Entries).get(...key)) !== undefined) continue;
      await tx.table(Entries).put(entry.row(key));
      items++;
      bytes += entry.size;
    }
    await tx.table(Counts).put({ space, items, bytes });
    const last = rows.at(-1);
    return last === undefined || rows.length < chunkRows ? 'done' : itemKey(table.space, storedOf(last).item, table);
  });
}

async function changeIndexRow(
  ctx: Context,
  name: string,
  space: string,
  change: (index: IndexRow) => IndexRow | undefined,
): Promise<TableRow | undefined> {
  return ctx.transact(async (tx) => {
    const table = await tx.table(Tables).get(name);
    if (table === undefined || !table.indexes.some((index) => index.space === space)) return undefined;
    const indexes = table.indexes.flatMap((index) => (index.space === space ? (change(index) ?? []) : [index]));
    const used = new Set([table, ...indexes].flatMap(({ hash, range }) => [hash, range]));
    const row = { ...table, indexes, attributes: table.attributes.filter(({ name: attribute }) => used.has(attribute)) };
    await tx.table(Tables).put(row);
    return table;
  });
}

/** Takes an index out of its table and sweeps its entries. */
export const removeIndex: Task = async ({ key: space, payload }, ctx) => {
  const { table: name } = payload as unknown as Payload;
  const table = await changeIndexRow(ctx, name, space, () => undefined);
  const index = table?.indexes.find((candidate) => candidate.space === space);
  if (table !== undefined && index !== undefined) await sweepIndex(ctx, table, index);
};
