/**
 * What a shard takes and gives ("Quotas and limits"): 1,000 records and 1 MiB in, 2 MiB and five reads out, each second. Token buckets that hold a
 * second's worth; in memory, because after a restart a second has passed anyhow.
 */
import type { Clock } from '../../base/clock.ts';

const perSecond = { recordsIn: 1000, bytesIn: 1_048_576, reads: 5, bytesOut: 2_097_152 } as const;
type Kind = keyof typeof perSecond;

interface Bucket {
  tokens: number;
  at: number;
}

/** Buckets by cloud, stream, shard and kind: a rebuildable cache. */
const bucketsCache = new WeakMap<Clock, Map<string, Bucket>>();
const bucketsMax = 20_000;

function bucketOf(clock: Clock, name: string, kind: Kind): Bucket {
  let buckets = bucketsCache.get(clock);
  if (buckets === undefined) {
    buckets = new Map();
    bucketsCache.set(clock, buckets);
  }
  const now = clock.now();
  const known = buckets.get(`${name} ${kind}`) ?? { tokens: perSecond[kind], at: now };
  const tokens = Math.min(perSecond[kind], known.tokens + ((now - known.at) * perSecond[kind]) / 1000);
  const bucket = { tokens, at: now };
  if (buckets.size >= bucketsMax) buckets.clear();
  buckets.set(`${name} ${kind}`, bucket);
  return bucket;
}

/** Takes a record's share of a shard; false when there is none. A record larger than a second's bytes takes those of the next seconds too. */
export function takeWrite(clock: Clock, shard: string, bytes: number): boolean {
  const records = bucketOf(clock, shard, 'recordsIn');
  const space = bucketOf(clock, shard, 'bytesIn');
  if (records.tokens < 1 || space.tokens < Math.min(bytes, perSecond.bytesIn)) return false;
  records.tokens -= 1;
  space.tokens -= bytes;
  return true;
}

/** Whether a shard may be read now. A read may take more bytes than a second gives: the next ones then wait for it. */
export function takeRead(clock: Clock, shard: string): boolean {
  const reads = bucketOf(clock, shard, 'reads');
  if (reads.tokens < 1 || bucketOf(clock, shard, 'bytesOut').tokens <= 0) return false;
  reads.tokens -= 1;
  return true;
}

/** Notes what a read gave. */
export function noteRead(clock: Clock, shard: string, bytes: number): void {
  bucketOf(clock, shard, 'bytesOut').tokens -= bytes;
}

/** When a reader that may go beyond a second's bytes may read again: now, or once it has made up for what it took. */
export function readableAt(clock: Clock, reader: string): number {
  const { tokens, at } = bucketOf(clock, reader, 'bytesOut');
  return tokens > 0 ? at : at + Math.ceil(((1 - tokens) * 1000) / perSecond.bytesOut);
}
