/**
 * What a bucket holds, told to CloudWatch and charged once a day at midnight UTC: bytes by storage type and the number of objects ("Amazon S3 daily storage metrics").
 * Where a day was missed (the cloud was stopped), it is left out: it would be the sums of today.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import { charge } from '../../../kernel/usage.ts';
import type { CloudWatchApi } from '../../cloudwatch/api.ts';
import { tieringsOf } from '../buckets/tiering.ts';
import { Buckets, Versions } from '../state.ts';
import { dayMillis } from './lifecycle-rules.ts';
import { storageLines } from './metering.ts';
import { storageTypeOf } from './tiers.ts';

/** Versions read in one go. */
const batchRows = 1000;

/** Has the bucket measured at the next midnight. The transaction is in the bucket's account and Region. */
export async function measureLater(tx: Transaction, bucket: string, now: Millis): Promise<void> {
  await tx.schedule({ task: 'measure', key: bucket, due: Math.floor(now / dayMillis + 1) * dayMillis });
}

/** Measures a bucket; one that is gone is measured no more. */
export const measure: Task = async ({ key: name }, ctx) => {
  const bucket = await ctx.table(Buckets).get(name);
  // The name may have gone to another account since.
  if (bucket === undefined || bucket.account !== ctx.account || bucket.region !== ctx.region) return;
  const configs = await tieringsOf(ctx, name);
  const bytes = new Map<string, number>();
  let objects = 0;
  let after: { after?: (string | number)[] } = {};
  for (;;) {
    const rows = await ctx.table(Versions).list({ prefix: [name], ...after, limit: batchRows });
    for (const row of rows) {
      objects += 1;
      if (row.marker === true) continue;
      const type = storageTypeOf(row, configs, ctx.now);
      bytes.set(type, (bytes.get(type) ?? 0) + row.bytes);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchRows) break;
    after = { after: [name, last.key, -last.sequence] };
  }
  const at = Math.floor(ctx.now / dayMillis) * dayMillis;
  const datum = (metric: string, unit: string, StorageType: string, value: number) => ({
    name: metric,
    unit,
    dimensions: { BucketName: name, StorageType },
    at,
    value,
  });
  if (objects > 0) {
    const cloudwatch = await ctx.internal<CloudWatchApi>('cloudwatch');
    await cloudwatch.putMetrics(ctx, 'AWS/S3', [
      ...[...bytes].map(([type, sum]) => datum('BucketSizeBytes', 'Bytes', type, sum)),
      datum('NumberOfObjects', 'Count', 'AllStorageTypes', objects),
    ]);
  }
  await ctx.transact(async (tx) => {
    // With the next midnight, so that each counts once whatever happens between.
    await charge(tx, storageLines(bucket, bytes, at));
    await measureLater(tx, name, ctx.now);
  });
};
