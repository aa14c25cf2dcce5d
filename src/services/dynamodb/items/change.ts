/**
 * The one place where items change: the row, the entries of all indexes, the counts and the log of changes, in the caller's transaction. Indexes are kept
 * in the same transaction although AWS's global ones follow a moment later: an index that is never behind is one of the states that AWS allows.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Scope, Transaction } from '../../../kernel/context.ts';
import type { Key } from '../../../store/store.ts';
import { Consumption, writeUnits } from '../capacity.ts';
import { entryKey, isOfType } from '../keys.ts';
import { Changes, Counts, type CountRow, Entries, type IndexRow, Items, type TableRow } from '../state.ts';
import { trackReplicas } from '../replication/replicas.ts';
import { StoredItem, storeItem } from '../stored.ts';
import { emptyItem, type Item, sameItem } from '../values.ts';
import { trackExpiry } from '../ttl.ts';
import { keyNamesOf, keyTypeOf } from './schema.ts';

export interface Change {
  scope: Scope;
  table: TableRow;
  key: Key;
  before: StoredItem | undefined;
  after: StoredItem | undefined;
  now: Millis;
  by?: string | undefined;
  stamp?: Millis | undefined;
}

/** Writes a change and all that follows from it; gives what it consumes. */
export async function applyChange(tx: Transaction, change: Change): Promise<Consumption> {
  const { scope, table, key, before, after } = change;
  const items = tx.tableIn(scope, Items);
  const used = new Consumption();
  used.table = writeUnits(Math.max(before?.size ?? 0, after?.size ?? 0));
  if (after !== undefined) await items.put(after.row(key));
  else if (before !== undefined) await items.delete(...key);
  for (const index of table.indexes) {
    if (index.status !== 'DELETING') used.addIndex(index, await changeEntry(tx, change, index));
  }
  const logged = await count(tx, change);
  if (table.timeToLive !== undefined) await trackExpiry(tx, change);
  // The time in the log is what other Regions will see of this write, so it must be the one that it is remembered by here.
  if (table.replicas !== undefined && (changed(change) || change.stamp !== undefined))
    await trackReplicas(tx, { ...change, now: logged ?? change.now });
  return used;
}

/** The attributes of an item that an index shows; undefined when the item is not in it. */
export function projected(table: TableRow, index: IndexRow, stored: StoredItem): StoredItem | undefined {
  const { item } = stored;
  for (const name of keyNamesOf(index)) {
    const value = item[name];
    // An item from before the index may hold another type there; it is not in the index.
    if (value === undefined || !isOfType(value, keyTypeOf(table, name))) return undefined;
  }
  if (index.projection === 'ALL') return stored;
  const entry = emptyItem();
  for (const name of [...keyNamesOf(table), ...keyNamesOf(index), ...index.nonKey]) {
    if (Object.hasOwn(item, name)) entry[name] = item[name]!;
  }
  return storeItem(entry);
}

/** Brings one index in line; gives its write units ("Write capacity for global secondary indexes"). */
async function changeEntry(tx: Transaction, { scope, table, before, after }: Change, index: IndexRow): Promise<number> {
  let old = before === undefined ? undefined : projected(table, index, before);
  const next = after === undefined ? undefined : projected(table, index, after);
  const entries = tx.tableIn(scope, Entries);
  let oldKey = old === undefined ? undefined : entryKey(index.space, old.item, index, table);
  // While an index is being filled, an entry may not be there yet.
  if (index.backfilling === true && oldKey !== undefined && (await entries.get(...oldKey)) === undefined) {
    old = undefined;
    oldKey = undefined;
  }
  const nextKey = next === undefined ? undefined : entryKey(index.space, next.item, index, table);
  let units = 0;
  const moved = oldKey !== undefined && nextKey !== undefined && oldKey.join('\0') !== nextKey.join('\0');
  if (oldKey !== undefined && (nextKey === undefined || moved)) {
    await entries.delete(...oldKey);
    units += writeUnits(old!.size);
  }
  if (nextKey !== undefined && next !== undefined) {
    const unchanged = !moved && old !== undefined && sameItem(old.item, next.item);
    if (unchanged) return units;
    await entries.put(next.row(nextKey));
    units += writeUnits(moved || old === undefined ? next.size : Math.max(old.size, next.size));
  }
  if (old === undefined && next === undefined) return units;
  const grown = (nextKey === undefined ? 0 : 1) - (oldKey === undefined ? 0 : 1);
  const counts = tx.tableIn(scope, Counts);
  const counted = await counts.get(index.space);
  await counts.put({
    space: index.space,
    items: (counted?.items ?? 0) + grown,
    bytes: (counted?.bytes ?? 0) + (next?.size ?? 0) - (old?.size ?? 0),
  });
  return units;
}

/** Whether changes of this table are logged. */
export function isLogged(table: TableRow): boolean {
  return table.stream !== undefined || table.recovery !== undefined || table.replicas !== undefined || table.copying === true;
}

/** Counts items and bytes, and logs the change; gives the time under which it is logged, if it is. */
async function count(tx: Transaction, change: Change): Promise<Millis | undefined> {
  const { scope, table, before, after } = change;
  const counts = tx.tableIn(scope, Counts);
  const old = (await counts.get(table.space)) ?? { space: table.space, items: 0, bytes: 0 };
  const items = old.items + (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
  const bytes = old.bytes + (after?.size ?? 0) - (before?.size ?? 0);
  const sequence = isLogged(table) ? await log(tx, change, old) : { at: old.at, count: old.count };
  if (items === old.items && bytes === old.bytes && sequence.count === old.count && sequence.at === old.at) return undefined;
  await counts.put({ space: table.space, items, bytes, ...sequence });
  return sequence.at;
}

/** A write that leaves an item as it was is no change to anybody. */
function changed({ before, after }: Change): boolean {
  if (before === undefined || after === undefined) return before !== after;
  return !sameItem(before.item, after.item);
}

/** Adds to the log, unless nothing changed. */
async function log(
  tx: Transaction,
  change: Change,
  last: CountRow,
): Promise<{ at?: Millis | undefined; count?: number | undefined }> {
  const { scope, table, before, after, now, by, stamp } = change;
  if (!changed(change)) return { at: last.at, count: last.count };
  const at = Math.max(now, last.at ?? 0);
  const sequence = at === last.at ? (last.count ?? 0) + 1 : 0;
  await tx.tableIn(scope, Changes).put({
    space: table.space,
    at,
    count: sequence,
    keys: JSON.stringify(keysOf(table, (after ?? before)!.item)),
    before: before === undefined ? undefined : [before.size, before.json],
    after: after === undefined ? undefined : [after.size, after.json],
    by,
    stamp,
  });
  return { at, count: sequence };
}

/** The key attributes of an item. */
export function keysOf(table: Pick<TableRow, 'hash' | 'range'>, item: Item): Item {
  const keys = emptyItem();
  for (const name of keyNamesOf(table)) keys[name] = item[name]!;
  return keys;
}

/** An item of the log. */
export function loggedItem(image: readonly [number, string] | undefined): StoredItem | undefined {
  return image === undefined ? undefined : new StoredItem(image[0], image[1]);
}
