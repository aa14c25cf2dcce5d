/** Inventories of buckets, by the clock of a cloud of one's own. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { InventoryConfiguration, InventoryOptionalField } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

const day = 86_400_000;

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

interface Manifest {
  files: { key: string; size: number; MD5checksum: string }[];
  [member: string]: unknown;
}

async function listedBucket() {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const [Bucket, lists] = [freshName(account), freshName(account)];
  for (const name of [Bucket, lists]) await s3.createBucket({ Bucket: name });
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${lists}/*`,
    Condition: { ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${Bucket}` }, StringEquals: { 'aws:SourceAccount': account.id } },
  };
  const allow = () =>
    s3.putBucketPolicy({ Bucket: lists, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) });
  const configure = (Id: string, over: Partial<InventoryConfiguration> = {}, destination: object = {}) =>
    s3.putBucketInventoryConfiguration({
      Bucket,
      Id,
      InventoryConfiguration: {
        Id,
        IsEnabled: true,
        IncludedObjectVersions: 'Current',
        Schedule: { Frequency: 'Daily' },
        Destination: { S3BucketDestination: { Bucket: `arn:aws:s3:::${lists}`, Format: 'CSV', Prefix: 'lists', ...destination } },
        ...over,
      },
    });
  const keys = async (Prefix = '') =>
    ((await s3.listObjectsV2({ Bucket: lists, Prefix })).Contents ?? []).map(({ Key = '' }) => Key);
  const manifests = async (id: string): Promise<Manifest[]> => {
    const found = (await keys(`lists/${Bucket}/${id}/`)).filter((key) => key.endsWith('/manifest.json'));
    return Promise.all(found.map(async (Key) => JSON.parse(await textOf(s3, { Bucket: lists, Key })) as Manifest));
  };
  const bytesOf = async (Key: string) =>
    Buffer.from((await (await s3.getObject({ Bucket: lists, Key })).Body?.transformToByteArray()) ?? []);
  const linesOf = async ({ files }: Manifest) => {
    const texts = await Promise.all(files.map(async ({ key }) => gunzipSync(await bytesOf(key)).toString()));
    return texts.flatMap((text) => text.trimEnd().split('\n'));
  };
  return { account, s3, Bucket, lists, allow, configure, keys, manifests, bytesOf, linesOf };
}

test('an inventory comes every day with its manifest, and lists what a filter lets through', async () => {
  const { s3, Bucket, lists, allow, configure, keys, manifests, bytesOf, linesOf } = await listedBucket();
  await configure('early');
  await advanceClock(cloud.endpoint, day);
  expect(await keys()).toEqual([]);
  await s3.deleteBucketInventoryConfiguration({ Bucket, Id: 'early' });
  await allow();
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putObject({ Bucket, Key: 'a/old', Body: '1' });
  const { VersionId } = await s3.putObject({ Bucket, Key: 'a/old', Body: '22', StorageClass: 'STANDARD_IA' });
  await s3.putObject({ Bucket, Key: 'a/ü "q"', Body: '333' });
  await s3.putObject({ Bucket, Key: 'a/gone', Body: '4444' });
  await s3.deleteObject({ Bucket, Key: 'a/gone' });
  await s3.putObject({ Bucket, Key: 'b', Body: 'not asked for' });
  const OptionalFields: InventoryOptionalField[] = ['StorageClass', 'Size', 'EncryptionStatus', 'ETag'];
  await configure('current', { Filter: { Prefix: 'a/' }, OptionalFields });
  await configure('all', { IncludedObjectVersions: 'All', Filter: { Prefix: 'a/' } });
  await configure('off', { IsEnabled: false });
  await configure('weekly', { Schedule: { Frequency: 'Weekly' } });
  await advanceClock(cloud.endpoint, day);
  const [manifest, ...others] = await manifests('current');
  expect(others).toEqual([]);
  expect(manifest).toMatchObject({
    sourceBucket: Bucket,
    destinationBucket: `arn:aws:s3:::${lists}`,
    version: '2016-11-30',
    fileFormat: 'CSV',
    fileSchema: 'Bucket, Key, Size, ETag, StorageClass, EncryptionStatus',
  });
  const md5 = (text: string | Uint8Array) => createHash('md5').update(text).digest('hex');
  expect(await linesOf(manifest!)).toEqual([
    `"${Bucket}","a/old","2","${md5('22')}","STANDARD_IA","SSE-S3"`,
    `"${Bucket}","a/%C3%BC%20%22q%22","3","${md5('333')}","STANDARD","SSE-S3"`,
  ]);
  const [file] = manifest!.files;
  const data = await bytesOf(file!.key);
  expect([data.length, md5(data)]).toEqual([file!.size, file!.MD5checksum]);
  const [stamp = ''] = await keys(`lists/${Bucket}/current/2`);
  expect(stamp).toMatch(/\/\d{4}-\d\d-\d\dT00-00Z\/manifest\.checksum$/);
  const whole = await bytesOf(stamp.replace('checksum', 'json'));
  expect((await bytesOf(stamp)).toString()).toBe(md5(whole));
  const [all] = await manifests('all');
  expect(all?.['fileSchema']).toBe('Bucket, Key, VersionId, IsLatest, IsDeleteMarker');
  const lines = (await linesOf(all!)).map((line) => line.replace(/^"[^"]*",/, ''));
  expect(lines).toHaveLength(5);
  expect(lines).toContain(`"a/old","${VersionId}","true","false"`);
  expect(lines.filter((line) => line.startsWith('"a/gone"')).map((line) => line.slice(-14))).toEqual(
    ['"true","true"', '"false","false"'].map((end) => `,${end}`.slice(-14)),
  );
  expect(await manifests('off')).toEqual([]);
  await advanceClock(cloud.endpoint, 7 * day);
  expect(await manifests('weekly')).toHaveLength(1);
  expect((await manifests('current')).length).toBeGreaterThan(1);
});

test('inventories are kept by id; what is not made here is refused by name', async () => {
  const { s3, Bucket, lists, configure } = await listedBucket();
  const none = 'The specified configuration does not exist.';
  await refused(s3.getBucketInventoryConfiguration({ Bucket, Id: 'x' }), 'NoSuchConfiguration', none, 404);
  await configure('x', { OptionalFields: ['Size'] });
  const { InventoryConfiguration: found } = await s3.getBucketInventoryConfiguration({ Bucket, Id: 'x' });
  expect(found).toMatchObject({ Id: 'x', IsEnabled: true, Schedule: { Frequency: 'Daily' }, OptionalFields: ['Size'] });
  expect(found?.Destination?.S3BucketDestination?.Bucket).toBe(`arn:aws:s3:::${lists}`);
  const { InventoryConfigurationList: list, IsTruncated } = await s3.listBucketInventoryConfigurations({ Bucket });
  expect([list?.map(({ Id }) => Id), IsTruncated]).toEqual([['x'], false]);
  await s3.deleteBucketInventoryConfiguration({ Bucket, Id: 'x' });
  await refused(s3.deleteBucketInventoryConfiguration({ Bucket, Id: 'x' }), 'NoSuchConfiguration', none, 404);
  await refused(configure('y', {}, { Format: 'ORC' }), 'NotImplemented', /Format ORC/, 501);
  await refused(configure('y', {}, { Format: 'Parquet' }), 'NotImplemented', /Format Parquet/, 501);
  await refused(configure('y', {}, { Encryption: { SSES3: {} } }), 'NotImplemented', /Encryption/);
  await refused(configure('y', { OptionalFields: ['ObjectAccessControlList'] }), 'NotImplemented', /ObjectAccessControlList/);
  await refused(configure('y', {}, { Bucket: lists }), 'InvalidS3DestinationBucket', 'Invalid bucket ARN.', 400);
  await refused(configure('y', { Schedule: { Frequency: 'Hourly' as 'Daily' } }), 'MalformedXML', undefined, 400);
  const other = { Id: 'z' };
  await refused(configure('y', other), 'InvalidArgument', 'The ID in the request does not match the ID in the configuration');
});
