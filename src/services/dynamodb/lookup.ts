/** Finding tables and indexes, and what state they are in at a moment. */
import type { Millis } from '../../base/clock.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { readTableName, type TableAddress } from './checks.ts';
import { resourceNotFound, tableNotFound, validation } from './errors.ts';
import { type IndexRow, type TableRow, Tables } from './state.ts';

/** Where to read rows: a context or a transaction. */
export type Reading = Pick<Context | Transaction, 'table' | 'tableIn'>;

/** The scope of a table that a request names: its own, unless it gave an ARN. */
export function scopeOf(ctx: Context, address: TableAddress): Scope {
  return { account: address.account ?? ctx.account, region: address.region ?? ctx.region };
}

/** The status at a moment: changes that do no work end by the clock. */
export function statusOf(row: Pick<TableRow, 'status' | 'until'>, now: Millis): TableRow['status'] {
  if (row.until === undefined || now < row.until || row.status === 'DELETING') return row.status;
  return 'ACTIVE';
}

/** The table of this name, whatever its state; undefined once it is gone. */
export async function findTable(reading: Reading, scope: Scope, name: string, now: Millis): Promise<TableRow | undefined> {
  const row = await reading.tableIn(scope, Tables).get(name);
  return row === undefined || (row.status === 'DELETING' && now >= (row.until ?? 0)) ? undefined : row;
}

/** The table that a table operation names. Throws ResourceNotFoundException naming it. */
export async function requireTable(reading: Reading, ctx: Context, given: string | undefined): Promise<TableRow> {
  const address = readTableName(given);
  const row = await findTable(reading, scopeOf(ctx, address), address.name, ctx.clock.now());
  if (row === undefined) throw tableNotFound(address.name);
  return row;
}

/** A table whose items may be used, with its scope. Throws ResourceNotFoundException while it is being made or deleted. */
export async function openTable(reading: Reading, ctx: Context, address: TableAddress): Promise<OpenTable> {
  const scope = scopeOf(ctx, address);
  const row = await findTable(reading, scope, address.name, ctx.clock.now());
  const status = row === undefined ? undefined : statusOf(row, ctx.clock.now());
  if (row === undefined || status === 'CREATING' || status === 'DELETING') throw resourceNotFound();
  return { scope, row };
}

export interface OpenTable {
  scope: Scope;
  row: TableRow;
}

/** The index of this name, if it can be read. Throws ValidationException. */
export function requireIndex(table: TableRow, name: string, now: Millis): IndexRow {
  const index = table.indexes.find((candidate) => candidate.name === name);
  if (index === undefined) throw validation(`The table does not have the specified index: ${name}`);
  if (index.backfilling === true || (index.status === 'CREATING' && now < (index.until ?? Number.POSITIVE_INFINITY)))
    throw validation(`Cannot read from backfilling global secondary index: ${name}`);
  return index;
}
