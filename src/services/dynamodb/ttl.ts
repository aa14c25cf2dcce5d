/**
 * Time to live: items whose attribute says so are deleted by the cloud's clock ("Using time to live"). AWS deletes within days; here each minute, once it
 * is over. An item that expired more than five years ago stays, as in AWS.
 */
import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import type { Key } from '../../store/store.ts';
import { RequestChecks } from './checks.ts';
import { invalidParameters, validation } from './errors.ts';
import { applyChange, type Change } from './items/change.ts';
import { readStored } from './items/write.ts';
import { itemKey } from './keys.ts';
import { requireTable } from './lookup.ts';
import { Expiries, Items, type TableRow, Tables } from './state.ts';
import { type StoredItem, storedOf } from './stored.ts';

const minute = 60;
const oldest = 5 * 365 * 86_400;
const chunkRows = 200;

/** Second at which an item expires; undefined for never. */
function expiryOf(table: TableRow, stored: StoredItem | undefined, nowSeconds: number): number | undefined {
  if (table.timeToLive?.enabled !== true || stored === undefined) return undefined;
  const text = stored.item[table.timeToLive.attribute]?.N;
  const at = text === undefined ? Number.NaN : Math.floor(Number(text));
  return Number.isFinite(at) && at > nowSeconds - oldest ? at : undefined;
}

/** The end of the minute in which an item expires. */
function sweepSecond(at: number): number {
  return (Math.floor(at / minute) + 1) * minute;
}

/** Notes when an item that changes will expire. */
export async function trackExpiry(tx: Transaction, { scope, table, key, before, after, now }: Change): Promise<void> {
  if (table.timeToLive?.enabled !== true) return;
  const nowSeconds = Math.floor(now / 1000);
  const old = expiryOf(table, before, nowSeconds);
  const next = expiryOf(table, after, nowSeconds);
  if (old === next) return;
  const expiries = tx.tableIn(scope, Expiries);
  const tail = key.slice(1);
  if (old !== undefined) await expiries.delete(table.space, old, ...tail);
  if (next === undefined) return;
  await expiries.put({ space: table.space, at: next, key: tail });
  await scheduleSweep(tx, table, next, nowSeconds);
}

async function scheduleSweep(tx: Transaction, table: TableRow, at: number, nowSeconds: number): Promise<void> {
  const second = sweepSecond(Math.max(at, nowSeconds));
  await tx.schedule({ task: 'expire', key: `${table.space}/${second}`, due: second * 1000, payload: { table: table.name } });
}

/** Deletes what has expired, as the service: streams show it as such. */
export const expire: Task = async ({ due, payload }, ctx) => {
  const name = (payload as { table: string }).table;
  for (;;) {
    const left = await ctx.transact(async (tx) => {
      const table = await tx.table(Tables).get(name);
      if (table === undefined || table.timeToLive?.enabled !== true) return false;
      const rows = await tx
        .table(Expiries)
        .list({ prefix: [table.space], before: [table.space, Math.floor(due / 1000)], limit: chunkRows });
      for (const { space, at, key } of rows) {
        const whole: Key = [space, ...key];
        const before = await readStored(tx, ctx, whole);
        await tx.table(Expiries).delete(space, at, ...key);
        if (before === undefined || expiryOf(table, before, at) !== at) continue;
        await applyChange(tx, { scope: ctx, table, key: whole, before, after: undefined, now: due, by: 'ttl' });
      }
      return rows.length === chunkRows;
    });
    if (!left) return;
  }
};

/** Notes the expiry of all items that were there before time to live was enabled. */
export const trackAll: Task = async ({ payload }, ctx) => {
  const name = (payload as { table: string }).table;
  let after: Key | undefined;
  do {
    after = await ctx.transact((tx) => trackSome(tx, ctx, name, after));
  } while (after !== undefined);
};

async function trackSome(tx: Transaction, ctx: Context, name: string, after: Key | undefined): Promise<Key | undefined> {
  const table = await tx.table(Tables).get(name);
  if (table === undefined) return undefined;
  const rows = await tx.table(Items).list({ prefix: [table.space], limit: chunkRows, ...(after === undefined ? {} : { after }) });
  for (const row of rows) {
    const stored = storedOf(row);
    const at = expiryOf(table, stored, Math.floor(ctx.now / 1000));
    if (at === undefined) continue;
    await tx.table(Expiries).put({ space: table.space, at, key: itemKey(table.space, stored.item, table).slice(1) });
    await scheduleSweep(tx, table, at, Math.floor(ctx.now / 1000));
  }
  const last = rows.at(-1);
  return last === undefined || rows.length < chunkRows ? undefined : itemKey(table.space, storedOf(last).item, table);
}

/** Forgets what was noted, when time to live is disabled. */
async function forgetSome(tx: Transaction, scope: Scope, space: string): Promise<boolean> {
  const expiries = tx.tableIn(scope, Expiries);
  const rows = await expiries.list({ prefix: [space], limit: chunkRows });
  for (const { at, key } of rows) await expiries.delete(space, at, ...key);
  return rows.length === chunkRows;
}

/** Forgets the expiries of a space, in as many transactions as it takes. */
export async function forgetExpiries(ctx: Context, space: string): Promise<void> {
  while (await ctx.transact((tx) => forgetSome(tx, ctx, space)));
}

export const forgetAll: Task = async ({ payload }, ctx) => {
  const { table: name, space } = payload as { table: string; space: string };
  const table = await ctx.table(Tables).get(name);
  if (table?.space === space && table.timeToLive?.enabled === true) return;
  await forgetExpiries(ctx, space);
};

export const ttlHandlers: HandlersOf<DynamoDB> = {
  UpdateTimeToLive(input, ctx) {
    const { AttributeName: attribute = '', Enabled: enabled = false } = input.TimeToLiveSpecification ?? {};
    new RequestChecks().length(attribute, 'timeToLiveSpecification.attributeName', 1, 255).done();
    return ctx.transact(async (tx) => {
      const row = await requireTable(tx, ctx, input.TableName);
      const old = row.timeToLive;
      if ((old?.enabled ?? false) === enabled) throw validation(`TimeToLive is already ${enabled ? 'enabled' : 'disabled'}`);
      if (!enabled && old?.attribute !== attribute)
        throw validation(`TimeToLive is active on a different AttributeName: current AttributeName is ${old?.attribute}`);
      if (row.hash === attribute || row.range === attribute)
        throw invalidParameters(`TimeToLive cannot be enabled on a key attribute: ${attribute}`);
      await tx.table(Tables).put({ ...row, timeToLive: { attribute, enabled, changed: ctx.now } });
      const payload = { table: row.name, space: row.space };
      await tx.schedule({ task: enabled ? 'trackAll' : 'forgetAll', key: row.space, due: ctx.now, payload });
      return { TimeToLiveSpecification: { AttributeName: attribute, Enabled: enabled } };
    });
  },

  async DescribeTimeToLive(input, ctx) {
    const row = await requireTable(ctx, ctx, input.TableName);
    const { timeToLive } = row;
    return {
      TimeToLiveDescription:
        timeToLive?.enabled === true
          ? { TimeToLiveStatus: 'ENABLED', AttributeName: timeToLive.attribute }
          : { TimeToLiveStatus: 'DISABLED' },
    };
  },
};
