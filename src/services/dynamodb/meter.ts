/**
 * Admission by capacity. Provisioned tables and indexes have a token bucket that fills with their units per second and holds 300 seconds' worth ("Burst and
 * adaptive capacity"); a request is let in while it is not empty and pays afterwards, as AWS cannot know a request's cost before. Every partition key has
 * 3000 read and 1000 write units a second, and an on-demand table its maximum, counted by second.
 *
 * The buckets are a cache of what was used lately, by cloud time: after a restart they are full again.
 */
import type { Clock, Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import type { AwsError } from '../../kernel/errors.ts';
import { countThrottle, countUnits } from './consumption.ts';
import { throttled, throughputExceeded } from './errors.ts';
import { requireReplicas } from './quorum.ts';
import type { IndexRow, TableRow } from './state.ts';
import type { Value } from './values.ts';

type Kind = 'read' | 'write';

const burstSeconds = 300;
const partitionUnits: Record<Kind, number> = { read: 3000, write: 1000 };
/** "Quotas": default per-table throughput of on-demand mode. */
export const tableUnitsMax = 40_000;
/** Partition keys counted in one second; beyond them new ones are not counted. */
const hotKeysMax = 50_000;

const hotKey =
  'Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or index so please try again shortly. If exceptions persist, check if you have a hot key: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html';

interface Bucket {
  rate: number;
  tokens: number;
  at: Millis;
}

class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #window = new Map<string, number>();
  #second = 0;

  /** Tokens left now. */
  left(id: string, rate: number, now: Millis): Bucket {
    const bucket = this.#buckets.get(id);
    if (bucket === undefined) {
      const fresh = { rate, tokens: rate * burstSeconds, at: now };
      this.#buckets.set(id, fresh);
      return fresh;
    }
    const passed = Math.max(0, now - bucket.at) / 1000;
    if (bucket.rate !== rate) bucket.rate = rate;
    bucket.tokens = Math.min(rate * burstSeconds, bucket.tokens + passed * rate);
    bucket.at = Math.max(now, bucket.at);
    return bucket;
  }

  /** Units counted in this second. */
  counted(id: string, now: Millis): number {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#window.clear();
    }
    return this.#window.get(id) ?? 0;
  }

  count(id: string, units: number, now: Millis): void {
    const counted = this.counted(id, now);
    if (counted === 0 && this.#window.size >= hotKeysMax) return;
    this.#window.set(id, counted + units);
  }
}

/** Buckets of each cloud; a cache. */
const bucketsCache = new WeakMap<Clock, Buckets>();

function buckets(clock: Clock): Buckets {
  let found = bucketsCache.get(clock);
  if (found === undefined) {
    found = new Buckets();
    bucketsCache.set(clock, found);
  }
  return found;
}

/** What an operation is about to use: a table, or one of its indexes. */
export interface Use {
  kind: Kind;
  table: TableRow;
  index?: IndexRow | undefined;
  /** The partition key, when one is known. */
  hash?: Value | undefined;
  /** A read that any one replica may answer. */
  eventual?: boolean | undefined;
}

function bucketId({ kind, table, index }: Use): string {
  return `${kind}/${index?.space ?? table.space}`;
}

function partitionId(use: Use, hash: Value): string {
  return `${bucketId(use)}/${hash.S ?? hash.N ?? hash.B ?? ''}`;
}

/** Throws ProvisionedThroughputExceededException, or ThrottlingException for on-demand tables, when nothing is left for it,
 * and InternalServerError when too many of its replicas are down. */
export function admit(ctx: Context, use: Use): void {
  requireReplicas(ctx, use.kind === 'read' && use.eventual === true);
  const refusal = refusalOf(ctx, use);
  if (refusal === undefined) return;
  countThrottle(ctx, use);
  throw refusal;
}

function refusalOf(ctx: Context, use: Use): AwsError | undefined {
  const { kind, table, index, hash } = use;
  const all = buckets(ctx.clock);
  const now = ctx.now;
  if (table.billing === 'PROVISIONED') {
    const throughput = index?.global === true ? index.throughput : table.throughput;
    const place = index?.global === true ? use : { kind, table };
    if (throughput !== undefined && all.left(bucketId(place), throughput[kind], now).tokens <= 0)
      return throughputExceeded(index?.global === true ? index.name : undefined);
  } else {
    const limit = (index ?? table).onDemand?.[kind];
    if (all.counted(bucketId(use), now) >= (limit ?? tableUnitsMax))
      return throttled(
        limit === undefined ? hotKey : 'Throughput exceeds the maximum OnDemandThroughput configured on table or index',
      );
  }
  if (hash === undefined || all.counted(partitionId(use, hash), now) < partitionUnits[kind]) return undefined;
  return table.billing === 'PROVISIONED' ? throughputExceeded(index?.name) : throttled(hotKey);
}

/** Takes the units that an admitted operation has used. */
export function charge(ctx: Context, use: Use, units: number): void {
  if (units === 0) return;
  countUnits(ctx, use, units);
  const { kind, table, index, hash } = use;
  const all = buckets(ctx.clock);
  if (table.billing === 'PROVISIONED') {
    const throughput = index?.global === true ? index.throughput : table.throughput;
    const place = index?.global === true ? use : { kind, table };
    if (throughput !== undefined) all.left(bucketId(place), throughput[kind], ctx.now).tokens -= units;
  } else all.count(bucketId(use), units, ctx.now);
  if (hash !== undefined) all.count(partitionId(use, hash), units, ctx.now);
}
