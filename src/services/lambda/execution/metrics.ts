/**
 * Metrics of calls, put together for a moment before they are written: many calls a second are few transactions. What waits when Pilvi is killed is lost.
 */
import type { Context } from '../../../kernel/context.ts';
import type { CloudWatchApi, ServiceDatum } from '../../cloudwatch/api.ts';
import type { Target } from '../lookup.ts';
import { latest } from '../names.ts';

/** Real milliseconds. */
const gatherMillis = 100;

/** Data that wait, by cloud, then account and Region. Rebuildable: it only ever holds what came in the last moment. */
const waitingCache = new WeakMap<object, Map<string, ServiceDatum[]>>();

/** Puts data of a function: for all functions, for this one, and for its version or alias when one was called. Never fails a call. */
export function putMetrics(
  ctx: Context,
  { ref }: Pick<Target, 'ref'>,
  data: readonly { name: string; value: number; unit: string }[],
): void {
  const qualifier = ref.qualifier === undefined || ref.qualifier === latest ? '' : `:${ref.qualifier}`;
  const dimensions: ServiceDatum['dimensions'][] = [
    {},
    { FunctionName: ref.name },
    { FunctionName: ref.name, Resource: `${ref.name}${qualifier}` },
  ];
  const now = ctx.clock.now();
  const rows = dimensions.flatMap((one) => data.map((datum) => ({ ...datum, at: now, dimensions: one })));
  const waiting = waitingCache.get(ctx.clock) ?? new Map<string, ServiceDatum[]>();
  waitingCache.set(ctx.clock, waiting);
  const place = `${ctx.account} ${ctx.region}`;
  const known = waiting.get(place);
  if (known !== undefined) {
    known.push(...rows);
    return;
  }
  waiting.set(place, rows);
  void write(ctx, waiting, place).catch((error: unknown) => ctx.trace(`Metrics were lost: ${String(error)}`));
}

async function write(ctx: Context, waiting: Map<string, ServiceDatum[]>, place: string): Promise<void> {
  // A clock that is being moved is not kept waiting.
  if (ctx.clock.heading === ctx.clock.now()) await ctx.clock.pause(gatherMillis);
  const rows = waiting.get(place) ?? [];
  waiting.delete(place);
  const cloudwatch = await ctx.internal<CloudWatchApi>('cloudwatch');
  await ctx.underWay(cloudwatch.putMetrics({ account: ctx.account, region: ctx.region }, 'AWS/Lambda', merged(rows)));
}

/** One datum for each metric and second: values with how often they came. */
function merged(rows: readonly ServiceDatum[]): ServiceDatum[] {
  const groups = new Map<string, { datum: ServiceDatum; values: Map<number, number> }>();
  for (const row of rows) {
    const key = `${row.name} ${JSON.stringify(row.dimensions)} ${Math.floor(row.at / 1000)}`;
    const group = groups.get(key) ?? { datum: row, values: new Map<number, number>() };
    groups.set(key, group);
    const value = row.value as number;
    group.values.set(value, (group.values.get(value) ?? 0) + 1);
  }
  return [...groups.values()].map(({ datum, values }) => ({ ...datum, value: { values: [...values] } }));
}
