/**
 * Metrics that services count as they work: what an operation adds is summed up in memory, so that a request pays a look into a map, and published
 * once a minute of the cloud's time. The first count of a minute asks for the publication at its end, so what is idle costs nothing. A restart
 * loses the minute under way. Rejected: a row per count (a write more on every request), and a timer for all (wakes up for nothing).
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { Context, Scope } from './context.ts';
import type { FiredJob } from './service.ts';

export const meterMinute: Millis = 60_000;

export type MeterDimensions = Readonly<Record<string, string>>;

/** A metric of one minute. */
export interface MeterDatum {
  name: string;
  dimensions: MeterDimensions;
  unit: string;
  /** Beginning of the minute. */
  at: Millis;
  value: { count: number; sum: number; min: number; max: number };
}

/** Where counts go: CloudWatch's api, which the service reaches as its partner. */
export interface MetricSink {
  putMetrics(scope: Scope, namespace: string, data: readonly MeterDatum[]): Promise<void>;
}

/** What is counted of one thing in one minute, by metric. */
interface Bucket {
  minute: Millis;
  data: Map<string, MeterDatum>;
}

/** A count as it happens. */
export interface Counted {
  name: string;
  dimensions: MeterDimensions;
  unit: string;
  value: number;
}

/** Counters of a service, for all things that it meters. */
export class Meter {
  readonly namespace: string;
  readonly #task: string;
  readonly #sink: (ctx: Context) => Promise<MetricSink>;
  /** Buckets by cloud and thing, oldest first: a cache. */
  readonly #bucketsCache = new WeakMap<Clock, Map<string, Bucket[]>>();

  /** `task` is the service's task that publishes: `meter.publish`, or one that calls `take`. */
  constructor(namespace: string, task: string, sink: (ctx: Context) => Promise<MetricSink>) {
    this.namespace = namespace;
    this.#task = task;
    this.#sink = sink;
  }

  /**
   * Counts for a thing, whose name is the key of the publishing job in the context's account and Region. A count inside a transaction that runs again counts again. Metrics of one
   * name are told apart by `part` when a thing has several (a table's indexes).
   */
  count(ctx: Context, key: string, { name, dimensions, unit, value }: Counted, part = ''): void {
    const { data } = this.#bucket(ctx, key);
    const id = part === '' ? name : `${name} ${part}`;
    const known = data.get(id)?.value;
    if (known === undefined) {
      data.set(id, { name, dimensions, unit, at: 0, value: { count: 1, sum: value, min: value, max: value } });
      return;
    }
    known.count += 1;
    known.sum += value;
    if (value < known.min) known.min = value;
    if (value > known.max) known.max = value;
  }

  /** Takes the thing's minutes that have ended. */
  take(ctx: Context, key: string): MeterDatum[] {
    const all = this.#all(ctx.clock);
    const id = idOf(ctx, key);
    const present = minuteOf(ctx.clock.now());
    const buckets = all.get(id) ?? [];
    const open = buckets.filter(({ minute }) => minute >= present);
    if (open[0] === undefined) all.delete(id);
    else {
      all.set(id, open);
      this.#ask(ctx, key, open[0].minute);
    }
    const ended = buckets.filter(({ minute }) => minute < present);
    return ended.flatMap(({ minute, data }) => [...data.values()].map((datum) => ({ ...datum, at: minute })));
  }

  /** The task of services that publish what they counted and nothing else. */
  readonly publish = async ({ key }: FiredJob, ctx: Context): Promise<void> => {
    await this.put(ctx, this.take(ctx, key));
  };

  /** Hands data to CloudWatch, in the context's account and Region. */
  async put(ctx: Context, data: readonly MeterDatum[]): Promise<void> {
    if (data.length > 0) await (await this.#sink(ctx)).putMetrics(ctx, this.namespace, data);
  }

  #all(clock: Clock): Map<string, Bucket[]> {
    let all = this.#bucketsCache.get(clock);
    if (all === undefined) {
      all = new Map();
      this.#bucketsCache.set(clock, all);
    }
    return all;
  }

  #bucket(ctx: Context, key: string): Bucket {
    const all = this.#all(ctx.clock);
    const id = idOf(ctx, key);
    const minute = minuteOf(ctx.clock.now());
    const buckets = all.get(id) ?? [];
    const last = buckets.at(-1);
    if (last !== undefined && last.minute === minute) return last;
    const bucket: Bucket = { minute, data: new Map() };
    all.set(id, [...buckets, bucket]);
    // A minute that ended waits for its publication already, which then asks for the next: asking now would put it off.
    if (last === undefined) this.#ask(ctx, key, minute);
    return bucket;
  }

  /** Asks for the publication of a minute. Without its turn the counts would be kept for ever: the next count asks again. */
  #ask(ctx: Context, key: string, minute: Millis): void {
    ctx
      .transact((tx) => tx.schedule({ task: this.#task, key, due: minute + meterMinute }))
      .catch(() => this.#all(ctx.clock).delete(idOf(ctx, key)));
  }
}

function minuteOf(at: Millis): Millis {
  return Math.floor(at / meterMinute) * meterMinute;
}

function idOf({ account, region }: Scope, key: string): string {
  return `${account} ${region} ${key}`;
}
