/** What happens to objects as they age, by the clock of a cloud of one's own. */
import type { LifecycleRule } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshBucket, freshName } from './support.ts';

const day = 86_400_000;
const megabyte = new Uint8Array(1024 * 1024);

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function ownBucket(Rules: LifecycleRule[], versioned = false) {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  if (versioned) await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules } });
  const days = (count: number) => advanceClock(cloud.endpoint, count * day);
  const versions = async (Prefix: string) => {
    const { Versions = [], DeleteMarkers = [] } = await s3.listObjectVersions({ Bucket, Prefix });
    return { versions: Versions.map(({ VersionId }) => VersionId), markers: DeleteMarkers.length, classes: Versions };
  };
  return { s3, Bucket, days, versions };
}

test('S3-037 objects move from class to class and expire as they age; small ones are not moved', async () => {
  const { s3, Bucket, days } = await ownBucket([
    {
      ID: 'age it',
      Status: 'Enabled',
      Filter: { Prefix: '' },
      Transitions: [
        { Days: 30, StorageClass: 'STANDARD_IA' },
        { Days: 90, StorageClass: 'GLACIER' },
      ],
      Expiration: { Days: 365 },
    },
  ]);
  const put = await s3.putObject({ Bucket, Key: 'large', Body: megabyte });
  await s3.putObject({ Bucket, Key: 'small', Body: new Uint8Array(100 * 1024) });
  const head = await s3.headObject({ Bucket, Key: 'large' });
  const [, date = '', rule] = /^expiry-date="([^"]+ 00:00:00 GMT)", rule-id="([^"]+)"$/.exec(head.Expiration ?? '') ?? [];
  const life = (new Date(date).getTime() - (head.LastModified?.getTime() ?? 0)) / day;
  expect(life).toBeGreaterThanOrEqual(365);
  expect(life).toBeLessThan(366.01);
  expect(rule).toBe('age%20it');
  expect(put.Expiration).toBe(head.Expiration);
  const classOf = async (Key: string) => (await s3.headObject({ Bucket, Key })).StorageClass;
  await days(29);
  expect(await classOf('large')).toBeUndefined();
  await days(2);
  expect(await classOf('large')).toBe('STANDARD_IA');
  await days(58);
  expect(await classOf('large')).toBe('STANDARD_IA');
  await days(2);
  expect(await classOf('large')).toBe('GLACIER');
  expect(await classOf('small')).toBeUndefined();
  const { Contents } = await s3.listObjectsV2({ Bucket });
  expect(Contents?.map(({ StorageClass }) => StorageClass)).toEqual(['GLACIER', 'STANDARD']);
  await days(273);
  expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(2);
  await days(2);
  await refused(s3.getObject({ Bucket, Key: 'large' }), 'NoSuchKey', 'The specified key does not exist.', 404);
  expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(0);
});

test('a size filter of the rule lets small objects move; tags, prefixes and uploads are told apart', async () => {
  const { s3, Bucket, days } = await ownBucket([
    {
      ID: 'small',
      Status: 'Enabled',
      Filter: { And: { Prefix: 'a/', ObjectSizeGreaterThan: 10 } },
      Transitions: [{ Days: 1, StorageClass: 'GLACIER_IR' }],
    },
    { ID: 'tagged', Status: 'Enabled', Filter: { Tag: { Key: 'keep', Value: 'no' } }, Expiration: { Days: 2 } },
    { ID: 'off', Status: 'Disabled', Filter: { Prefix: 'b/' }, Expiration: { Days: 1 } },
    {
      ID: 'uploads',
      Status: 'Enabled',
      Filter: { Prefix: 'u/' },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 3 },
    },
  ]);
  await s3.putObject({ Bucket, Key: 'a/1', Body: 'more than ten' });
  await s3.putObject({ Bucket, Key: 'a/2', Body: 'few' });
  await s3.putObject({ Bucket, Key: 'b/1', Body: 'x' });
  await s3.putObject({ Bucket, Key: 't', Body: 'x', Tagging: 'keep=no' });
  const { UploadId, AbortRuleId, AbortDate } = await s3.createMultipartUpload({ Bucket, Key: 'u/1' });
  expect(AbortRuleId).toBe('uploads');
  expect((AbortDate?.getTime() ?? 1) % day).toBe(0);
  const other = await s3.createMultipartUpload({ Bucket, Key: 'v/1' });
  await s3.uploadPart({ Bucket, Key: 'u/1', UploadId, PartNumber: 1, Body: 'x' });
  await days(5);
  const { Contents } = await s3.listObjectsV2({ Bucket });
  expect(Contents?.map(({ Key, StorageClass }) => [Key, StorageClass])).toEqual([
    ['a/1', 'GLACIER_IR'],
    ['a/2', 'STANDARD'],
    ['b/1', 'STANDARD'],
  ]);
  expect((await s3.listMultipartUploads({ Bucket })).Uploads?.map((upload) => upload.UploadId)).toEqual([other.UploadId]);
  await refused(s3.listParts({ Bucket, Key: 'u/1', UploadId }), 'NoSuchUpload', undefined, 404);
  await s3.deleteBucketLifecycle({ Bucket });
  await refused(
    s3.getBucketLifecycleConfiguration({ Bucket }),
    'NoSuchLifecycleConfiguration',
    'The lifecycle configuration does not exist',
    404,
  );
});

test('old versions go by their own age and number, current ones get a marker, lone markers go', async () => {
  const { s3, Bucket, days, versions } = await ownBucket(
    [
      {
        ID: 'old',
        Status: 'Enabled',
        Filter: { Prefix: 'n/' },
        NoncurrentVersionExpiration: { NoncurrentDays: 5, NewerNoncurrentVersions: 1 },
        NoncurrentVersionTransitions: [{ NoncurrentDays: 2, StorageClass: 'GLACIER' }],
      },
      {
        ID: 'current',
        Status: 'Enabled',
        Filter: { Prefix: 'c/' },
        Expiration: { Days: 3 },
        NoncurrentVersionExpiration: { NoncurrentDays: 4 },
      },
      { ID: 'markers', Status: 'Enabled', Filter: { Prefix: 'm/' }, Expiration: { ExpiredObjectDeleteMarker: true } },
    ],
    true,
  );
  const ids: (string | undefined)[] = [];
  for (let count = 0; count < 3; count += 1) {
    ids.unshift((await s3.putObject({ Bucket, Key: 'n/1', Body: megabyte })).VersionId);
  }
  await s3.putObject({ Bucket, Key: 'c/1', Body: 'x' });
  await s3.deleteObject({ Bucket, Key: 'm/1' });
  await days(3);
  expect((await versions('n/')).classes.map(({ StorageClass }) => StorageClass)).toEqual(['STANDARD', 'GLACIER', 'GLACIER']);
  expect((await versions('m/')).markers).toBe(0);
  await days(1);
  expect(await versions('c/')).toMatchObject({ markers: 1, versions: [expect.any(String)] });
  await refused(s3.getObject({ Bucket, Key: 'c/1' }), 'NoSuchKey', 'The specified key does not exist.', 404);
  await days(2);
  expect((await versions('n/')).versions).toEqual(ids.slice(0, 2));
  await days(7);
  expect(await versions('c/')).toMatchObject({ markers: 0, versions: [] });
  expect((await versions('n/')).versions).toEqual(ids.slice(0, 2));
});

test('S3-038 a transition to an infrequent class before 30 days is refused, as are other rules that cannot be', async () => {
  const { s3, Bucket } = await freshBucket();
  const put = (...rules: Partial<LifecycleRule>[]) =>
    s3.putBucketLifecycleConfiguration({
      Bucket,
      LifecycleConfiguration: {
        Rules: rules.map((rule) => ({ Status: 'Enabled', Filter: { Prefix: '' }, ...rule }) as LifecycleRule),
      },
    });
  await refused(
    put({ Transitions: [{ Days: 29, StorageClass: 'STANDARD_IA' }] }),
    'InvalidArgument',
    "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
    400,
  );
  await put({ Transitions: [{ Days: 30, StorageClass: 'STANDARD_IA' }] });
  const { Rules } = await s3.getBucketLifecycleConfiguration({ Bucket });
  expect(Rules?.[0]).toMatchObject({ Status: 'Enabled', Transitions: [{ Days: 30, StorageClass: 'STANDARD_IA' }] });
  expect(Rules?.[0]?.ID).toBeTruthy();
  const steps = [
    { Days: 30, StorageClass: 'STANDARD_IA' as const },
    { Days: 59, StorageClass: 'GLACIER' as const },
  ];
  await refused(put({ Transitions: steps }), 'InvalidArgument', /must be 30 days more than/, 400);
  await refused(
    put({ Transitions: [{ Days: 30, StorageClass: 'STANDARD_IA' }], Expiration: { Days: 30 } }),
    'InvalidArgument',
    "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition action",
    400,
  );
  await refused(
    put({ Expiration: { Days: 0 } }),
    'InvalidArgument',
    "'Days' for Expiration action must be a positive integer",
    400,
  );
  await refused(
    put({ Expiration: { Date: new Date('2030-01-01T01:00:00Z') } }),
    'InvalidArgument',
    "'Date' must be at midnight GMT",
    400,
  );
  await refused(put({}), 'InvalidRequest', 'At least one action needs to be specified in a rule', 400);
  const same = { ID: 'x', Expiration: { Days: 1 } };
  await refused(put(same, same), 'InvalidArgument', 'Rule ID must be unique. Found same ID for more than one rule', 400);
  await refused(
    put({ Filter: { Tag: { Key: 'a', Value: 'b' } }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
    'InvalidRequest',
    'AbortIncompleteMultipartUpload cannot be specified with Tags.',
    400,
  );
  await refused(put({ Status: 'On' as 'Enabled', Expiration: { Days: 1 } }), 'MalformedXML', undefined, 400);
});
