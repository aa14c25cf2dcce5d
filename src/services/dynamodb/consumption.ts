/**
 * Consumed capacity in CloudWatch: what a table and its global indexes used, as points of a minute ("DynamoDB metrics and dimensions"). Uses are counted
 * in memory, and the first one of a minute asks for the publication at its end; a restart loses the minute under way.
 */
import type { Clock } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';
import type { Use } from './meter.ts';

const minute = 60_000;

interface Count {
  name: string;
  dimensions: Readonly<Record<string, string>>;
  count: number;
  sum: number;
  min: number;
  max: number;
}

/** Counts by table and by metric, for each cloud; a cache. */
const countsCache = new WeakMap<Clock, Map<string, Map<string, Count>>>();

function countsOf(clock: Clock): Map<string, Map<string, Count>> {
  const found = countsCache.get(clock) ?? new Map<string, Map<string, Count>>();
  countsCache.set(clock, found);
  return found;
}

const tableId = (ctx: Context, name: string): string => `${ctx.account} ${ctx.region} ${name}`;

/** Counts units that an operation has used. */
export function count(ctx: Context, { kind, table, index }: Use, units: number): void {
  const all = countsOf(ctx.clock);
  const id = tableId(ctx, table.name);
  let counts = all.get(id);
  if (counts === undefined) {
    counts = new Map();
    all.set(id, counts);
    const due = Math.floor(ctx.clock.now() / minute) * minute + minute;
    // Without its turn the counts would be kept for ever: the next use asks again.
    ctx.transact((tx) => tx.schedule({ task: 'publishConsumption', key: table.name, due })).catch(() => all.delete(id));
  }
  const name = `Consumed${kind === 'read' ? 'Read' : 'Write'}CapacityUnits`;
  const global = index?.global === true ? index.name : undefined;
  const key = `${name} ${global ?? ''}`;
  const before = counts.get(key);
  counts.set(key, {
    name,
    dimensions: { TableName: table.name, ...(global === undefined ? {} : { GlobalSecondaryIndexName: global }) },
    count: (before?.count ?? 0) + 1,
    sum: (before?.sum ?? 0) + units,
    min: Math.min(before?.min ?? units, units),
    max: Math.max(before?.max ?? units, units),
  });
}

/** Publishes the minute of a table that has ended. */
export const publishConsumption: Task = async ({ key, due }, ctx) => {
  const all = countsOf(ctx.clock);
  const counts = all.get(tableId(ctx, key));
  all.delete(tableId(ctx, key));
  if (counts === undefined) return;
  const data = [...counts.values()].map(({ name, dimensions, ...value }) => ({
    name,
    dimensions,
    value,
    unit: 'Count',
    at: due - minute,
  }));
  await (await ctx.internal<CloudWatchApi>('cloudwatch')).putMetrics(ctx, 'AWS/DynamoDB', data);
};
