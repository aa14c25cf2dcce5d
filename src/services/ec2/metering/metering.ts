/**
 * Use of EC2 for the bill: what stands is counted once a day, at midnight UTC, and what ends or changes in the same transaction in which it does, so that every
 * moment counts once. Once a day, in one transaction, what was counted is charged and forgotten here.
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import { charge } from '../../../kernel/usage.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { type SnapshotRow, Snapshots, type VolumeRow, Volumes } from '../volumes/state.ts';
import { archiveRest, fastRestoreRest, instanceLines, retrievalLine, type Span, snapshotLines, volumeLines } from './lines.ts';
import { Metered, Used, type UsedRow } from './state.ts';

const day = 24 * 3_600_000;
/** The one job of an account in a Region. */
const job = { task: 'meterUsage', key: 'day' };

/** Sees to it that this day is counted at its end. For all that makes something that is paid for. */
export async function meterToday(tx: Transaction, ctx: Context): Promise<void> {
  await tx.schedule({ ...job, due: (Math.floor(ctx.now / day) + 1) * day });
}

async function add(tx: Transaction, lines: readonly UsedRow[]): Promise<void> {
  const used = tx.table(Used);
  for (const line of lines) {
    const known = await used.get(...used.keyOf(line));
    const cost = line.cost === undefined ? known?.cost : line.cost + (known?.cost ?? 0);
    await used.put({ ...line, amount: line.amount + (known?.amount ?? 0), cost });
  }
}

async function countedUntil(tx: Transaction): Promise<number> {
  return (await tx.table(Metered).get('until'))?.until ?? 0;
}

/** What is not counted yet of a thing that began then. */
async function spanOf(tx: Transaction, began: number, to: number): Promise<Span> {
  return { from: Math.max(began, await countedUntil(tx)), to };
}

const sinceOf = {
  volume: (row: VolumeRow) => Math.max(row.created, row.countedUntil ?? 0),
  snapshot: (row: SnapshotRow) => Math.max(row.completed ?? row.started, row.countedUntil ?? 0),
};

/** Counts a volume that ends or changes now. One that goes on takes `countedUntil: ctx.now`. */
export async function meterVolume(tx: Transaction, ctx: Context, row: VolumeRow | undefined): Promise<void> {
  if (row === undefined) return;
  await add(tx, volumeLines(row, await spanOf(tx, sinceOf.volume(row), ctx.now)));
  await meterToday(tx, ctx);
}

/** Counts a snapshot that ends or changes at a time. One that goes on takes `countedUntil: at`. */
export async function meterSnapshot(tx: Transaction, ctx: Context, row: SnapshotRow, at = ctx.now): Promise<void> {
  await add(tx, snapshotLines(row, await spanOf(tx, sinceOf.snapshot(row), at)));
  await meterToday(tx, ctx);
}

/** A snapshot leaves the archive for good: the rest of its least time is due. */
export async function meterArchiveRest(tx: Transaction, row: SnapshotRow, at: number): Promise<void> {
  await add(tx, archiveRest(row, at));
}

/** A snapshot ends: what was not counted yet, and what is due at least for the archive and for fast restores. */
export async function meterSnapshotEnd(tx: Transaction, ctx: Context, row: SnapshotRow, at: number): Promise<void> {
  await meterSnapshot(tx, ctx, row, at);
  await meterArchiveRest(tx, row, at);
  for (const { enabledAt } of row.fastRestores) await meterFastRestoreRest(tx, enabledAt, at);
}

/** A snapshot was brought back from the archive. */
export async function meterRetrieval(tx: Transaction, row: SnapshotRow, at: number): Promise<void> {
  await add(tx, [retrievalLine(row, at)]);
}

/** A fast restore ended: at least an hour of it is due. */
export async function meterFastRestoreRest(tx: Transaction, enabledAt: number | undefined, endedAt: number): Promise<void> {
  if (enabledAt !== undefined) await add(tx, fastRestoreRest(enabledAt, endedAt));
}

/** Counts an instance that stops running now. */
export async function meterInstance(tx: Transaction, ctx: Context, row: InstanceRow): Promise<void> {
  await add(tx, instanceLines(row, await spanOf(tx, row.launchedAt, ctx.now)));
  await meterToday(tx, ctx);
}

/** Midnight: counts the day of all that stands, and comes again while something does. */
async function countDay(tx: Transaction, to: number): Promise<void> {
  const until = await countedUntil(tx);
  const span = (began: number): Span => ({ from: Math.max(began, until), to });
  const volumes = await tx.table(Volumes).list();
  const snapshots = await tx.table(Snapshots).list();
  const instances = await tx.table(Instances).byIndex('byState', ['running']);
  for (const row of volumes) await add(tx, volumeLines(row, span(sinceOf.volume(row))));
  for (const row of snapshots) await add(tx, snapshotLines(row, span(sinceOf.snapshot(row))));
  for (const row of instances) await add(tx, instanceLines(row, span(row.launchedAt)));
  await tx.table(Metered).put({ id: 'until', until: Math.max(until, to) });
  if (volumes.length + snapshots.length + instances.length > 0) await tx.schedule({ ...job, due: to + day });
}

/** Once a day, where something is paid for. */
export const meterUsage: Task = async ({ due }, ctx) => {
  const { account, region } = ctx;
  await ctx.transact(async (tx) => {
    await countDay(tx, due);
    const used = tx.table(Used);
    for (const row of await used.list()) {
      const { day: at, cost, ...line } = row;
      const market = cost === undefined ? {} : { market: { cost, unit: 'Hrs' } };
      await charge(tx, [{ ...line, account, region, at, ...market }]);
      await used.delete(...used.keyOf(row));
    }
  });
};
