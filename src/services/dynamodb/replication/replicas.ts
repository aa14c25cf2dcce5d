/**
 * Global tables (version 2019.11.21): a table with replicas in other Regions, all writable. Each Region's changes are brought to the others a moment
 * later, from its log; the later writer of an item wins, by time and, at the same moment, by the Region's name ("How DynamoDB global tables work").
 */
import type { ReplicationGroupUpdate } from '@aws-sdk/client-dynamodb';
import { findRegion } from '../../../base/regions.ts';
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { Key } from '../../../store/store.ts';
import { validation } from '../errors.ts';
import { applyChange, loggedItem } from '../items/change.ts';
import { readStored } from '../items/write.ts';
import { itemKey } from '../keys.ts';
import { findTable } from '../lookup.ts';
import { type ChangeRow, Changes, Cursors, Items, type Position, Stamps, type TableRow, Tables } from '../state.ts';
import { type StoredItem, storedOf } from '../stored.ts';
import { startStream } from '../streams/streams.ts';
import { newSpace, tableArn, transitionMillis } from '../tables/create.ts';
import { sweepTable } from '../tasks.ts';
import type { Item } from '../values.ts';

const chunkRows = 200;

/** Adds or removes one replica; gives the changed row. Throws ValidationException. */
export async function changeReplicas(
  tx: Transaction,
  ctx: Context,
  row: TableRow,
  updates: readonly ReplicationGroupUpdate[],
): Promise<TableRow> {
  const [update] = updates;
  if (update === undefined || updates.length > 1)
    throw validation('One or more parameter values were invalid: ReplicaUpdates must have exactly one replica update');
  if (update.Update !== undefined) throw parameterNotImplemented('UpdateTable', 'ReplicaUpdates.Update');
  if (update.Delete !== undefined) return removeReplica(tx, ctx, row, update.Delete.RegionName ?? '');
  const { RegionName: region = '', ...others } = update.Create ?? {};
  for (const [name, value] of Object.entries(others))
    if (value !== undefined) throw parameterNotImplemented('UpdateTable', `ReplicaUpdates.Create.${name}`);
  return addReplica(tx, ctx, row, region);
}

async function addReplica(tx: Transaction, ctx: Context, row: TableRow, region: string): Promise<TableRow> {
  const regions = row.replicas ?? [ctx.region];
  if (regions.includes(region))
    throw validation(
      `Failed to create a the new replica of table with name: '${row.name}' because one or more replicas already existed in the region: '${region}'`,
    );
  if (findRegion(region) === undefined) throw validation(`Region ${region} is not supported for global tables`);
  const scope: Scope = { account: ctx.account, region };
  if ((await findTable(tx, scope, row.name, ctx.clock.now())) !== undefined)
    throw validation(
      `Failed to create a the new replica of table with name: '${row.name}' because one or more replicas already existed as tables.`,
    );
  if (row.stream !== undefined && row.stream.view !== 'NEW_AND_OLD_IMAGES')
    throw validation('Table needs to have a stream with NEW_AND_OLD_IMAGES view type to be a global table');
  const all = [...regions, region];
  // A replica's streams carry new and old images; AWS switches the stream on.
  const stream = row.stream ?? { label: new Date(ctx.now).toISOString().slice(0, -1), view: 'NEW_AND_OLD_IMAGES' as const };
  const changed: TableRow = { ...row, replicas: all, stream, latestStream: stream.label };
  if (row.stream === undefined) await startStream(tx, ctx, changed);
  for (const other of regions)
    if (other !== ctx.region) await setReplicas(tx, { account: ctx.account, region: other }, row.name, all);
  const replica: TableRow = {
    ...changed,
    space: newSpace(ctx),
    indexes: row.indexes.map((index) => ({ ...index, space: newSpace(ctx) })),
    arn: tableArn(scope, row.name),
    created: ctx.now,
    status: 'CREATING',
    until: undefined,
  };
  await tx.tableIn(scope, Tables).put(replica);
  await tx.schedule({
    task: 'seedReplica',
    key: `${row.space}/${region}`,
    due: ctx.now + transitionMillis,
    payload: { table: row.name, region },
  });
  return changed;
}

async function setReplicas(tx: Transaction, scope: Scope, name: string, replicas: readonly string[]): Promise<void> {
  const one = replicas.length < 2;
  await tx.tableIn(scope, Tables).update([name], (row) => ({ ...row, replicas: one ? undefined : replicas }));
}

async function removeReplica(tx: Transaction, ctx: Context, row: TableRow, region: string): Promise<TableRow> {
  if (row.replicas?.includes(region) !== true)
    throw validation(
      `Failed to delete the replica of table with name: '${row.name}' because no replica exists in the region: '${region}'`,
    );
  const rest = row.replicas.filter((other) => other !== region);
  for (const other of rest)
    if (other !== ctx.region) await setReplicas(tx, { account: ctx.account, region: other }, row.name, rest);
  const scope = { account: ctx.account, region };
  await tx.tableIn(scope, Tables).update([row.name], (replica) => ({
    ...replica,
    replicas: undefined,
    status: 'DELETING',
    until: ctx.now + transitionMillis,
  }));
  const payload = { table: row.name, region };
  await tx.schedule({ task: 'removeReplica', key: `${row.space}/${region}`, due: ctx.now + transitionMillis, payload });
  return { ...row, replicas: rest.length < 2 ? undefined : rest };
}

/** Copies the items of a table to a new replica, then lets it be used. */
export const seedReplica: Task = async ({ payload }, ctx) => {
  const { table: name, region } = payload as { table: string; region: string };
  const to: Scope = { account: ctx.account, region };
  let after: Key | undefined;
  do after = await ctx.transact((tx) => seedSome(tx, ctx, name, to, after));
  while (after !== undefined);
  await ctx.transact(async (tx) => {
    await tx.tableIn(to, Tables).update([name], (row) => (row.status === 'CREATING' ? { ...row, status: 'ACTIVE' } : row));
  });
};

async function seedSome(
  tx: Transaction,
  ctx: Context,
  name: string,
  to: Scope,
  after: Key | undefined,
): Promise<Key | undefined> {
  const table = await tx.table(Tables).get(name);
  if (table === undefined) return undefined;
  const rows = await tx.table(Items).list({ prefix: [table.space], limit: chunkRows, ...(after === undefined ? {} : { after }) });
  for (const row of rows) {
    const stored = storedOf(row);
    const key = itemKey(table.space, stored.item, table);
    const stamp = await tx.table(Stamps).get(table.space, ...key.slice(1));
    await bring(tx, ctx, to, { name, key, after: stored, at: stamp?.at ?? 0, from: stamp?.region ?? ctx.region });
  }
  const last = rows.at(-1);
  return last === undefined || rows.length < chunkRows ? undefined : itemKey(table.space, storedOf(last).item, table);
}

interface Arrival {
  name: string;
  key: Key;
  after: StoredItem | undefined;
  /** When and where it was written. */
  at: number;
  from: string;
}

/** Writes a change that was made elsewhere, unless a later one is here already. */
async function bring(tx: Transaction, ctx: Context, scope: Scope, { name, key, after, at, from }: Arrival): Promise<void> {
  const table = await tx.tableIn(scope, Tables).get(name);
  if (table === undefined || table.status === 'DELETING') return;
  const tail = key.slice(1);
  const stamp = await tx.tableIn(scope, Stamps).get(table.space, ...tail);
  if (stamp !== undefined && (stamp.at > at || (stamp.at === at && stamp.region >= from))) return;
  const here: Key = [table.space, ...tail];
  const before = await readStored(tx, scope, here);
  await applyChange(tx, { scope, table, key: here, before, after, now: ctx.clock.now(), by: from, stamp: at });
}

/** After a change of a global table: who wrote it when, and the wake-up of those who bring it elsewhere. */
export async function trackReplicas(
  tx: Transaction,
  change: { scope: Scope; table: TableRow; key: Key; now: number; by?: string | undefined; stamp?: number | undefined },
): Promise<void> {
  const { scope, table, key, now, by, stamp } = change;
  if (table.replicas === undefined) return;
  const arrived = stamp !== undefined;
  await tx
    .tableIn(scope, Stamps)
    .put({ space: table.space, key: key.slice(1), at: stamp ?? now, region: arrived ? (by ?? scope.region) : scope.region });
  // What arrived from elsewhere is brought to the others from there.
  if (arrived) return;
  for (const region of table.replicas) {
    if (region === scope.region) continue;
    await tx.schedule({ task: 'replicate', key: `${table.space}/${region}`, due: now, payload: { table: table.name, region } });
  }
}

/** Until replication is tried again while a Region is down that it needs. */
const retryMillis = 1000;

/** Brings the changes since the last time to one replica, in their order. While either Region is down they wait. */
export const replicate: Task = async ({ key, payload }, ctx) => {
  const { table: name, region } = payload as { table: string; region: string };
  const zones = ctx.part('zones');
  if (zones.downSince(ctx.region) !== undefined || zones.downSince(region) !== undefined) {
    await ctx.transact((tx) =>
      tx.schedule({ task: 'replicate', key, due: ctx.now + retryMillis, payload: { table: name, region } }),
    );
    return;
  }
  const to: Scope = { account: ctx.account, region };
  while (await ctx.transact((tx) => replicateSome(tx, ctx, name, to)));
};

async function replicateSome(tx: Transaction, ctx: Context, name: string, to: Scope): Promise<boolean> {
  const table = await tx.table(Tables).get(name);
  if (table?.replicas?.includes(to.region) !== true) return false;
  const cursor: Position = (await tx.table(Cursors).get(table.space, to.region)) ?? { at: 0, count: -1 };
  const changes = await tx
    .table(Changes)
    .list({ prefix: [table.space], after: [table.space, cursor.at, cursor.count], limit: chunkRows });
  for (const change of changes) {
    // Changes that came from another Region are that Region's to bring.
    if (change.stamp === undefined) await bring(tx, ctx, to, arrivalOf(ctx, table, change));
  }
  const last = changes.at(-1);
  if (last !== undefined) await tx.table(Cursors).put({ space: table.space, region: to.region, at: last.at, count: last.count });
  return changes.length === chunkRows;
}

function arrivalOf(ctx: Context, table: TableRow, change: ChangeRow): Arrival {
  const key = itemKey(table.space, JSON.parse(change.keys) as Item, table);
  return { name: table.name, key, after: loggedItem(change.after), at: change.at, from: ctx.region };
}

/** Removes what a replica held that was taken away. */
export const removeReplicaRows: Task = async ({ payload }, ctx) => {
  const { table: name, region } = payload as { table: string; region: string };
  const scope: Scope = { account: ctx.account, region };
  const table = await ctx.tableIn(scope, Tables).get(name);
  if (table === undefined || table.status !== 'DELETING') return;
  await ctx.transact((tx) => tx.tableIn(scope, Tables).delete(name));
  await sweepTable(ctx.inScope(scope), table);
};

/** Forgets who wrote what. */
export async function sweepStamps(ctx: Context, scope: Scope, space: string): Promise<void> {
  for (;;) {
    const removed = await ctx.transact(async (tx) => {
      const rows = await tx.tableIn(scope, Stamps).list({ prefix: [space], limit: chunkRows });
      for (const { key } of rows) await tx.tableIn(scope, Stamps).delete(space, ...key);
      return rows.length;
    });
    if (removed < chunkRows) return;
  }
}
