/**
 * Throttling by token buckets on the cloud's clock ("Throttle requests to your REST APIs"): `rate` tokens a second flow in, `burst` is what it holds.
 * Buckets are a cache: one that was lost is full again, as one that was not used.
 */
import type { Clock } from '../../../base/clock.ts';

interface Bucket {
  tokens: number;
  at: number;
}

const bucketsMax = 50_000;
const bucketsCache = new Map<string, Bucket>();

export interface Limit {
  /** Names the bucket: account, Region, API, stage, method, key. */
  key: string;
  rate: number;
  burst: number;
}

/** Takes one token of each limit, or none of any: false when one of the buckets is empty. */
export function takeTokens(clock: Clock, limits: readonly Limit[]): boolean {
  const now = clock.now();
  const filled = limits.map((limit) => ({ bucket: bucketOf(limit, now), limit }));
  for (const { bucket, limit } of filled) {
    bucket.tokens = Math.min(limit.burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * limit.rate);
    bucket.at = now;
  }
  if (filled.some(({ bucket }) => bucket.tokens < 1)) return false;
  for (const { bucket } of filled) bucket.tokens -= 1;
  return true;
}

function bucketOf({ key, burst }: Limit, now: number): Bucket {
  let bucket = bucketsCache.get(key);
  if (bucket === undefined) {
    bucket = { tokens: burst, at: now };
    if (bucketsCache.size >= bucketsMax) bucketsCache.clear();
    bucketsCache.set(key, bucket);
  }
  return bucket;
}

/** "10,000 requests per second with an additional burst capacity … of 5,000 requests" per account and Region, over all its APIs. */
export const accountRate = 10_000;
export const accountBurst = 5_000;

/** The account's limit in a Region. */
export function accountLimit({ account, region }: { account: string; region: string }): Limit {
  return { key: `${account}/${region}`, rate: accountRate, burst: accountBurst };
}
