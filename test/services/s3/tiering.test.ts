/** Intelligent-Tiering, as CloudWatch's daily storage metrics and the archive tiers show it, by the clock of a cloud of one's own. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshBucket, freshName, textOf } from './support.ts';

const hour = 3_600_000;
const day = 24 * hour;
const large = 'x'.repeat(200 * 1024);

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function ownBucket(...objects: [Key: string, Body: string][]) {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  for (const [Key, Body] of objects) await s3.putObject({ Bucket, Key, Body, StorageClass: 'INTELLIGENT_TIERING' });
  const cloudwatch = new CloudWatch(account.config());
  /** Bytes by storage type at the newest measurement. */
  const metered = async () => {
    const newest: Record<string, number> = {};
    let at = 0;
    for (const tier of ['FA', 'IA', 'AIA', 'AA', 'DAA']) {
      const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
        Namespace: 'AWS/S3',
        MetricName: 'BucketSizeBytes',
        Dimensions: [
          { Name: 'BucketName', Value: Bucket },
          { Name: 'StorageType', Value: `IntelligentTiering${tier}Storage` },
        ],
        StartTime: new Date(Date.now() - day),
        EndTime: new Date(Date.now() + 1000 * day),
        Period: 86_400,
        Statistics: ['Average'],
      });
      for (const { Timestamp, Average = 0 } of Datapoints) {
        const time = Timestamp?.getTime() ?? 0;
        if (time < at) continue;
        if (time > at) for (const name of Object.keys(newest)) delete newest[name];
        at = time;
        newest[tier] = Average;
      }
    }
    return newest;
  };
  /** So many days later, and measured. */
  const days = async (count: number) => {
    await advanceClock(cloud.endpoint, (count - 1) * day);
    await advanceClock(cloud.endpoint, day);
  };
  return { s3, Bucket, metered, days };
}

test('S3-031 an object that nobody reads is metered as infrequent, and as frequent again once it is read', async () => {
  const { s3, Bucket, metered, days } = await ownBucket(['k', large]);
  const at = { Bucket, Key: 'k' };
  await days(2);
  expect(await metered()).toEqual({ FA: large.length });
  await days(30);
  expect(await metered()).toEqual({ IA: large.length });
  expect((await s3.headObject(at)).StorageClass).toBe('INTELLIGENT_TIERING');
  await days(2);
  expect(await metered()).toEqual({ IA: large.length });
  expect(await textOf(s3, at)).toBe(large);
  await days(2);
  expect(await metered()).toEqual({ FA: large.length });
  expect((await s3.headObject(at)).StorageClass).toBe('INTELLIGENT_TIERING');
});

test('S3-032 objects go to the infrequent tier after 30 days and to archive instant after 90; small ones stay', async () => {
  const small = 'x'.repeat(100 * 1024);
  const { s3, Bucket, metered, days } = await ownBucket(['large', large], ['small', small]);
  await days(28);
  expect(await metered()).toEqual({ FA: large.length + small.length });
  await days(4);
  expect(await metered()).toEqual({ FA: small.length, IA: large.length });
  await days(56);
  expect(await metered()).toEqual({ FA: small.length, IA: large.length });
  await days(4);
  expect(await metered()).toEqual({ FA: small.length, AIA: large.length });
  expect(await textOf(s3, { Bucket, Key: 'large' })).toBe(large);
});

test('S3-033 the archive tiers are opt-in, and their objects must be restored', async () => {
  const { s3, Bucket, metered, days } = await ownBucket(['a/1', large], ['b/1', large]);
  const put = (Id: string, tierings: [AccessTier: 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS', Days: number][], Prefix = 'a/') =>
    s3.putBucketIntelligentTieringConfiguration({
      Bucket,
      Id,
      IntelligentTieringConfiguration: {
        Id,
        Status: 'Enabled',
        Filter: { Prefix },
        Tierings: tierings.map(([AccessTier, Days]) => ({ AccessTier, Days })),
      },
    });
  await refused(put('x', [['ARCHIVE_ACCESS', 89]]), 'InvalidArgument', undefined, 400);
  await refused(put('x', [['DEEP_ARCHIVE_ACCESS', 179]]), 'InvalidArgument', undefined, 400);
  await refused(put('x', []), 'MalformedXML', undefined, 400);
  const absent = 'The specified configuration does not exist.';
  const none = s3.getBucketIntelligentTieringConfiguration({ Bucket, Id: 'x' });
  await refused(none, 'NoSuchConfiguration', absent, 404);
  await days(400);
  expect(await metered()).toEqual({ AIA: 2 * large.length });
  expect((await s3.headObject({ Bucket, Key: 'a/1' })).ArchiveStatus).toBeUndefined();
  expect(await textOf(s3, { Bucket, Key: 'a/1' })).toBe(large);
  await put('archive', [
    ['ARCHIVE_ACCESS', 100],
    ['DEEP_ARCHIVE_ACCESS', 180],
  ]);
  const { IntelligentTieringConfigurationList: list } = await s3.listBucketIntelligentTieringConfigurations({ Bucket });
  expect(list?.map(({ Id }) => Id)).toEqual(['archive']);
  await days(99);
  expect((await s3.headObject({ Bucket, Key: 'a/1' })).ArchiveStatus).toBeUndefined();
  await days(2);
  const at = { Bucket, Key: 'a/1' };
  expect((await s3.headObject(at)).ArchiveStatus).toBe('ARCHIVE_ACCESS');
  expect(await metered()).toEqual({ AA: large.length, AIA: large.length });
  const text = "The operation is not valid for the object's access tier";
  await refused(s3.getObject(at), 'InvalidObjectState', text, 403);
  await refused(s3.restoreObject({ ...at, RestoreRequest: { Days: 1 } }), 'MalformedXML', undefined, 400);
  expect((await s3.restoreObject({ ...at, RestoreRequest: {} })).$metadata.httpStatusCode).toBe(202);
  await advanceClock(cloud.endpoint, 5 * hour);
  expect(await textOf(s3, at)).toBe(large);
  expect((await s3.headObject(at)).ArchiveStatus).toBeUndefined();
  await days(181);
  expect((await s3.headObject(at)).ArchiveStatus).toBe('DEEP_ARCHIVE_ACCESS');
  await s3.deleteBucketIntelligentTieringConfiguration({ Bucket, Id: 'archive' });
  // What is archived stays so, and nothing more is.
  await days(181);
  await refused(s3.getObject(at), 'InvalidObjectState', text, 403);
  await s3.restoreObject({ ...at, RestoreRequest: {} });
  await advanceClock(cloud.endpoint, 12 * hour);
  expect(await textOf(s3, at)).toBe(large);
  await days(200);
  expect(await textOf(s3, at)).toBe(large);
});

test('only buckets that are there have configurations', async () => {
  const { s3, Bucket } = await freshBucket();
  const gone = s3.deleteBucketIntelligentTieringConfiguration({ Bucket, Id: 'x' });
  await refused(gone, 'NoSuchConfiguration', 'The specified configuration does not exist.', 404);
  const list = s3.listBucketIntelligentTieringConfigurations({ Bucket: `${Bucket}-absent` });
  await refused(list, 'NoSuchBucket', 'The specified bucket does not exist', 404);
});
