/**
 * Pages of items in the order of a table or index: Query and Scan both end here. A page ends with Limit items looked at, or with the item that brings it
 * to 1 MB; filters come afterwards ("Paginating table query results").
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import type { Key } from '../../../store/store.ts';
import type { TableReader } from '../../../store/tables.ts';
import { Consumption, readUnits } from '../capacity.ts';
import { validation } from '../errors.ts';
import type { Condition, Path } from '../expressions/ast.ts';
import { meets } from '../expressions/evaluate.ts';
import { entryKey, itemKey } from '../keys.ts';
import type { OpenTable } from '../lookup.ts';
import { charge } from '../meter.ts';
import { Entries, type IndexRow, type ItemRow, Items } from '../state.ts';
import { type StoredItem, storedOf } from '../stored.ts';
import { emptyItem, type Item, outputItem } from '../values.ts';
import { presentPart } from './get.ts';
import { checkKey, keyNamesOf, keyTypeOf } from './schema.ts';
import { readStored } from './write.ts';

const pageBytesMax = 1024 * 1024;
/** Rows fetched in one go while nothing says how many are wanted. */
const chunkRows = 200;

/** What a page is taken from. */
export interface PageSource {
  open: OpenTable;
  index?: IndexRow | undefined;
  /** Bounds in the order of keys, both exclusive. */
  prefix: Key;
  low?: Key | undefined;
  high?: Key | undefined;
  reverse: boolean;
  consistent: boolean;
}

export interface PageOptions {
  limit?: number | undefined;
  /** ExclusiveStartKey, checked. */
  start?: Item | undefined;
  filter?: Condition | undefined;
  paths?: readonly Path[] | undefined;
  /** Only how many. */
  countOnly: boolean;
  /** The whole items behind a local index that does not hold them. */
  fetch: boolean;
}

export interface Page {
  Items: Record<string, AttributeValue>[] | undefined;
  Count: number;
  ScannedCount: number;
  LastEvaluatedKey: Record<string, AttributeValue> | undefined;
  used: Consumption;
}

/** Where an item lies in a table or index. */
function positionOf({ open: { row }, index }: Pick<PageSource, 'open' | 'index'>, item: Item): Key {
  return index === undefined ? itemKey(row.space, item, row) : entryKey(index.space, item, index, row);
}

/** Reads and pays for one page. */
export async function readPage(ctx: Context, source: PageSource, options: PageOptions): Promise<Page> {
  const { rows, bytes, more } = await scanRows(ctx, source, options);
  let stored = rows.map(storedOf);
  const used = new Consumption();
  const units = readUnits(bytes, source.consistent);
  const { row: table } = source.open;
  if (source.index === undefined) used.table = units;
  else used.addIndex(source.index, units);
  const last = stored.at(-1);
  if (options.fetch) stored = await fetchWhole(ctx, source, stored, used);
  charge(ctx, { kind: 'read', table, index: source.index }, units);
  const { filter } = options;
  const wanted = filter === undefined ? stored : stored.filter(({ item }) => meets(item, filter));
  return {
    Items: options.countOnly ? undefined : wanted.map((item) => presentPart(ctx, item, options.paths)),
    Count: wanted.length,
    ScannedCount: stored.length,
    LastEvaluatedKey: more && last !== undefined ? outputItem(startKeyOf(source, last.item)) : undefined,
    used,
  };
}

interface Rows {
  rows: ItemRow[];
  bytes: number;
  /** The page is full; whether anything follows has not been looked at, as in AWS. */
  more: boolean;
}

async function scanRows(ctx: Context, source: PageSource, { limit, start }: PageOptions): Promise<Rows> {
  const { scope } = source.open;
  const table: TableReader<ItemRow> = source.index === undefined ? ctx.tableIn(scope, Items) : ctx.tableIn(scope, Entries);
  const rows: ItemRow[] = [];
  let bytes = 0;
  let from = source.reverse ? source.high : source.low;
  // A start key that has been checked lies within the bounds.
  if (start !== undefined) from = positionOf(source, start);
  const until = source.reverse ? source.low : source.high;
  for (;;) {
    const wanted = Math.min(chunkRows, limit === undefined ? chunkRows : limit - rows.length);
    const chunk = await table.list({
      prefix: source.prefix,
      reverse: source.reverse,
      limit: wanted,
      ...(from === undefined ? {} : { after: from }),
      ...(until === undefined ? {} : { before: until }),
    });
    for (const row of chunk) {
      rows.push(row);
      bytes += row[0];
      if (bytes >= pageBytesMax || rows.length === limit) return { rows, bytes, more: true };
    }
    if (chunk.length < wanted) return { rows, bytes, more: false };
    from = positionOf(source, storedOf(chunk.at(-1)!).item);
  }
}

/** ALL_ATTRIBUTES of a local index that projects less: each item is fetched from the table, and paid for there too. */
async function fetchWhole(ctx: Context, source: PageSource, entries: StoredItem[], used: Consumption): Promise<StoredItem[]> {
  const { scope, row } = source.open;
  const whole: StoredItem[] = [];
  for (const entry of entries) {
    const stored = await readStored(ctx, scope, itemKey(row.space, entry.item, row));
    if (stored === undefined) continue;
    used.table += readUnits(stored.size, source.consistent);
    whole.push(stored);
  }
  return whole;
}

/** The attributes of a start key: those of the table's key and of the index's. */
function startKeyNames({ open: { row }, index }: Pick<PageSource, 'open' | 'index'>): readonly string[] {
  return index === undefined ? keyNamesOf(row) : [...new Set([...keyNamesOf(index), ...keyNamesOf(row)])];
}

function startKeyOf(source: PageSource, item: Item): Item {
  const key = emptyItem();
  for (const name of startKeyNames(source)) key[name] = item[name]!;
  return key;
}

/** Checks an ExclusiveStartKey against the schema; only Scan of a table says more of what is wrong. Throws ValidationException. */
export function checkStartKey(source: Pick<PageSource, 'open' | 'index'>, start: Item, operation: 'Query' | 'Scan'): void {
  const { row } = source.open;
  const names = startKeyNames(source);
  const invalid = 'The provided starting key is invalid';
  const mismatch = `${invalid}${source.index === undefined && operation === 'Scan' ? ': The provided key element does not match the schema' : ''}`;
  if (Object.keys(start).length !== names.length) throw validation(mismatch);
  const key = emptyItem();
  for (const name of names) {
    const value = start[name];
    if (value === undefined || value[keyTypeOf(row, name)] === undefined) throw validation(mismatch);
    if (keyNamesOf(row).includes(name)) key[name] = value;
  }
  try {
    checkKey(row, key);
  } catch (error) {
    throw validation(`${invalid}: ${(error as Error).message}`);
  }
}
