/**
 * Metrics of APIs ("Amazon API Gateway dimensions and metrics"): counted here, published every minute of the cloud's time while there is something to tell. What
 * was counted in the last minute before a crash is lost.
 */
import type { Context } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import type { CloudWatchApi, ServiceDatum } from '../../cloudwatch/api.ts';

const minute = 60_000;
/** Different latencies kept of a minute; more are counted under the last. */
const distinctMax = 500;

/** What one call adds. */
export interface Counted {
  status: number;
  latency: number;
  integrationLatency?: number | undefined;
  cache?: 'hit' | 'miss' | undefined;
  bytes: number;
}

interface Counter {
  names: Names;
  dimensions: Readonly<Record<string, string>>;
  count: number;
  client: number;
  server: number;
  hits: number;
  misses: number;
  bytes: number;
  latencies: Map<number, number>;
  integrations: Map<number, number>;
}

/** REST APIs and HTTP APIs spell theirs differently. */
export type Names = 'rest' | 'http';

/** Counters of the running minute by account, Region and stage. */
const countersCache = new Map<string, Map<string, Counter>>();

/** Counts a call under each set of dimensions; the first of a minute sees to it that they are published. */
export function countCall(
  ctx: Context,
  stageKey: string,
  names: Names,
  sets: readonly Readonly<Record<string, string>>[],
  counted: Counted,
): void {
  const key = `${ctx.account}/${ctx.region}/${stageKey}`;
  let counters = countersCache.get(key);
  if (counters === undefined) {
    counters = new Map();
    countersCache.set(key, counters);
    const due = (Math.floor(ctx.clock.now() / minute) + 1) * minute;
    void ctx.asService().transact((tx) => tx.schedule({ task: 'publishMetrics', key: stageKey, due }));
  }
  for (const dimensions of sets) {
    const id = JSON.stringify(dimensions);
    let counter = counters.get(id);
    if (counter === undefined) {
      counter = {
        names,
        dimensions,
        count: 0,
        client: 0,
        server: 0,
        hits: 0,
        misses: 0,
        bytes: 0,
        latencies: new Map(),
        integrations: new Map(),
      };
      counters.set(id, counter);
    }
    add(counter, counted);
  }
}

function add(counter: Counter, { status, latency, integrationLatency, cache, bytes }: Counted): void {
  counter.count += 1;
  if (status >= 500) counter.server += 1;
  else if (status >= 400) counter.client += 1;
  if (cache === 'hit') counter.hits += 1;
  if (cache === 'miss') counter.misses += 1;
  counter.bytes += bytes;
  note(counter.latencies, latency);
  if (integrationLatency !== undefined) note(counter.integrations, integrationLatency);
}

function note(values: Map<number, number>, value: number): void {
  const known = values.has(value) || values.size < distinctMax ? value : ([...values.keys()].at(-1) ?? value);
  values.set(known, (values.get(known) ?? 0) + 1);
}

/** Publishes what was counted. */
export const publishMetrics: Task = async (job, ctx) => {
  const key = `${ctx.account}/${ctx.region}/${job.key}`;
  const counters = countersCache.get(key);
  countersCache.delete(key);
  if (counters === undefined) return;
  const data = [...counters.values()].flatMap((counter) => dataOf(counter, job.due - minute));
  await (await ctx.internal<CloudWatchApi>('cloudwatch')).putMetrics(ctx, 'AWS/ApiGateway', data);
};

function dataOf(counter: Counter, at: number): ServiceDatum[] {
  const { names, dimensions, count, client, server, hits, misses } = counter;
  const rate = (some: number): ServiceDatum['value'] => ({
    values: [[1, some] as const, [0, count - some] as const].filter(([, times]) => times > 0),
  });
  const datum = (name: string, unit: string, value: ServiceDatum['value']): ServiceDatum => ({
    name,
    dimensions,
    at,
    unit,
    value,
  });
  const data = [
    datum('Count', 'Count', { values: [[1, count]] }),
    datum(names === 'rest' ? '4XXError' : '4xx', 'Count', rate(client)),
    datum(names === 'rest' ? '5XXError' : '5xx', 'Count', rate(server)),
    datum('Latency', 'Milliseconds', { values: [...counter.latencies] }),
  ];
  if (counter.integrations.size > 0)
    data.push(datum('IntegrationLatency', 'Milliseconds', { values: [...counter.integrations] }));
  if (names === 'http') data.push(datum('DataProcessed', 'Bytes', counter.bytes));
  if (hits + misses > 0) {
    data.push(datum('CacheHitCount', 'Count', rate(hits)), datum('CacheMissCount', 'Count', rate(misses)));
  }
  return data;
}
