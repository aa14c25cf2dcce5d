/** Inventories of buckets, by the clock of a cloud of one's own. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { InventoryConfiguration, InventoryOptionalField } from '@aws-sdk/client-s3';
import { KMS } from '@aws-sdk/client-kms';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { readOrc } from './orc-reader.ts';
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
  await refused(configure('y', {}, { Format: 'Avro' }), 'MalformedXML', undefined, 400);
  await refused(configure('y', {}, { Encryption: {} }), 'MalformedXML', undefined, 400);
  const twice = { SSES3: {}, SSEKMS: { KeyId: 'alias/x' } };
  await refused(configure('y', {}, { Encryption: twice }), 'MalformedXML', undefined, 400);
  const held: InventoryOptionalField[] = ['ObjectLockEventHoldStatus'];
  await refused(configure('y', { OptionalFields: held }), 'NotImplemented', /ObjectLockEventHoldStatus/, 501);
  await refused(configure('y', { OptionalFields: ['Colour' as 'Size'] }), 'MalformedXML', undefined, 400);
  await refused(configure('y', {}, { Bucket: lists }), 'InvalidS3DestinationBucket', 'Invalid bucket ARN.', 400);
  await refused(configure('y', { Schedule: { Frequency: 'Hourly' as 'Daily' } }), 'MalformedXML', undefined, 400);
  const other = { Id: 'z' };
  await refused(configure('y', other), 'InvalidArgument', 'The ID in the request does not match the ID in the configuration');
});

const everyField: InventoryOptionalField[] = [
  'Size',
  'LastModifiedDate',
  'ETag',
  'StorageClass',
  'IsMultipartUploaded',
  'ReplicationStatus',
  'EncryptionStatus',
  'ObjectLockRetainUntilDate',
  'ObjectLockMode',
  'ObjectLockLegalHoldStatus',
  'IntelligentTieringAccessTier',
  'BucketKeyStatus',
  'ChecksumAlgorithm',
  'ObjectAccessControlList',
  'ObjectOwner',
  'LifecycleExpirationDate',
  'IntelligentTieringReferenceDate',
];

/** One value of a CSV line, null where it is empty, as the column types of the other formats have it. */
function typed(text: string, type: string): unknown {
  if (text === '') return null;
  if (type === 'timestamp') return Date.parse(text);
  if (type === 'bigint') return Number(text);
  return type === 'boolean' ? text === 'true' : text;
}

test('S3-048 inventories in ORC and Parquet hold every field that CSV holds, with the types that their manifests name', async () => {
  const { s3, Bucket, allow, configure, manifests, bytesOf, linesOf } = await listedBucket();
  await allow();
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  await s3.putObjectLockConfiguration({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } });
  await s3.putBucketLifecycleConfiguration({
    Bucket,
    LifecycleConfiguration: {
      Rules: [{ ID: 'old', Status: 'Enabled', Filter: { Prefix: 'tmp/' }, Expiration: { Days: 400 } }],
    },
  });
  await s3.putObject({ Bucket, Key: 'gone', Body: 'x' });
  await s3.deleteObject({ Bucket, Key: 'gone' });
  const until = new Date(Date.now() + 3000 * day);
  await s3.putObject({
    Bucket,
    Key: 'locked ü',
    Body: 'locked',
    ObjectLockMode: 'GOVERNANCE',
    ObjectLockRetainUntilDate: until,
    ObjectLockLegalHoldStatus: 'ON',
    ChecksumAlgorithm: 'SHA256',
  });
  await s3.putObject({ Bucket, Key: 'tier', Body: Buffer.alloc(200_000), StorageClass: 'INTELLIGENT_TIERING' });
  await s3.putObject({ Bucket, Key: 'tmp/a', Body: 'short-lived' });
  const asked = { IncludedObjectVersions: 'All', OptionalFields: everyField } as const;
  for (const Format of ['CSV', 'ORC', 'Parquet'] as const) await configure(Format, asked, { Format });
  await advanceClock(cloud.endpoint, 31 * day);
  const last = async (id: string) => (await manifests(id)).at(-1)!;
  const [csv, orc, parquet] = await Promise.all([last('CSV'), last('ORC'), last('Parquet')]);
  const names = String(csv['fileSchema']).split(', ');
  expect(names).toEqual(['Bucket', 'Key', 'VersionId', 'IsLatest', 'IsDeleteMarker', ...everyField]);

  expect([orc['fileFormat'], orc.files.map(({ key }) => key.slice(-4))]).toEqual(['ORC', ['.orc']]);
  const { schema, rows } = readOrc(await bytesOf(orc.files[0]!.key));
  expect(orc['fileSchema']).toBe(schema);
  expect(schema).toMatch(
    /^struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,last_m/,
  );
  const types = schema
    .slice(7, -1)
    .split(',')
    .map((part) => part.split(':'));
  const lines = (await linesOf(csv)).map((line) => line.slice(1, -1).split('","'));
  const listed = lines.map((line) =>
    Object.fromEntries(types.map(([name = '', type = ''], index) => [name, typed(decodeURIComponent(line[index] ?? ''), type)])),
  );
  expect(rows).toEqual(listed);

  expect([parquet['fileFormat'], parquet.files.map(({ key }) => key.slice(-8))]).toEqual(['Parquet', ['.parquet']]);
  const parquetBytes = await bytesOf(parquet.files[0]!.key);
  const file = parquetBytes.buffer.slice(parquetBytes.byteOffset, parquetBytes.byteOffset + parquetBytes.length) as ArrayBuffer;
  const plain = (value: unknown) => (value instanceof Date ? value.getTime() : typeof value === 'bigint' ? Number(value) : value);
  const objects = (await parquetReadObjects({ file })).map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])),
  );
  expect(objects).toEqual(listed);
  const elements = parquetMetadata(file).schema;
  expect([elements[0]?.name, elements[1]?.repetition_type, elements[3]?.repetition_type]).toEqual([
    's3.inventory',
    'REQUIRED',
    'OPTIONAL',
  ]);
  expect(parquet['fileSchema']).toMatch(
    /^message s3\.inventory \{ {2}required binary bucket \(STRING\); {2}required binary key \(STRING\); {2}optional binary version_id \(STRING\); {2}optional boolean is_latest; .*optional int64 last_modified_date \(TIMESTAMP\(MILLIS,true\)\);/,
  );

  const row = (key: string) => listed.find((line) => line['key'] === key && line['is_latest'] === true)!;
  expect(row('locked ü')).toMatchObject({
    object_lock_mode: 'GOVERNANCE',
    object_lock_retain_until_date: until.getTime(),
    object_lock_legal_hold_status: 'ON',
    checksum_algorithm: 'SHA256',
    lifecycle_expiration_date: null,
    intelligent_tiering_access_tier: null,
  });
  const tiered = row('tier');
  expect(tiered).toMatchObject({ storage_class: 'INTELLIGENT_TIERING', intelligent_tiering_access_tier: 'INFREQUENT' });
  const written = Number(tiered['last_modified_date']);
  expect(Math.floor(Number(tiered['intelligent_tiering_reference_date']) / 1000) * 1000).toBe(written);
  const expires = Number(row('tmp/a')['lifecycle_expiration_date']);
  expect(expires % day).toBe(0);
  expect([400, 401]).toContain(Math.floor((expires - written) / day));
  const acl = JSON.parse(Buffer.from(String(tiered['object_access_control_list']), 'base64').toString()) as unknown;
  const canonicalId = tiered['object_owner'];
  expect(acl).toEqual({
    version: '2022-11-10',
    status: 'AVAILABLE',
    grants: [{ canonicalId, type: 'CanonicalUser', permission: 'FULL_CONTROL' }],
  });
  expect(row('gone')).toMatchObject({ is_delete_marker: true, size: null, object_access_control_list: null });
});

test('S3-049 the files of an inventory are sealed as it says; a key that S3 may not use makes none', async () => {
  const { account, s3, Bucket, lists, allow, configure, keys } = await listedBucket();
  await allow();
  await s3.putObject({ Bucket, Key: 'a', Body: 'x' });
  const kms = new KMS(account.config());
  const statement = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account.id}:root` }, Action: 'kms:*', Resource: '*' };
  const forS3 = {
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: 'kms:GenerateDataKey',
    Resource: '*',
    Condition: { StringEquals: { 'aws:SourceAccount': account.id }, ArnLike: { 'aws:SourceARN': `arn:aws:s3:::${Bucket}` } },
  };
  const keyWith = async (...Statement: object[]) =>
    (await kms.createKey({ Policy: JSON.stringify({ Version: '2012-10-17', Statement }) })).KeyMetadata?.Arn ?? '';
  const [open, closed] = [await keyWith(statement, forS3), await keyWith(statement)];
  await configure('own', {}, { Encryption: { SSES3: {} } });
  await configure('kms', {}, { Encryption: { SSEKMS: { KeyId: open } } });
  await configure('shut', {}, { Encryption: { SSEKMS: { KeyId: closed } } });
  const { InventoryConfiguration: kept } = await s3.getBucketInventoryConfiguration({ Bucket, Id: 'kms' });
  expect(kept?.Destination?.S3BucketDestination?.Encryption).toEqual({ SSEKMS: { KeyId: open } });
  await advanceClock(cloud.endpoint, day);
  const sealOf = async (id: string) => {
    const heads = await Promise.all((await keys(`lists/${Bucket}/${id}/`)).map((Key) => s3.headObject({ Bucket: lists, Key })));
    return heads.map(({ ServerSideEncryption: kind, SSEKMSKeyId: key }) => [kind, key]);
  };
  expect(await sealOf('own')).toEqual(Array.from({ length: 4 }, () => ['AES256', undefined]));
  expect(await sealOf('kms')).toEqual(Array.from({ length: 4 }, () => ['aws:kms', open]));
  expect(await sealOf('shut')).toEqual([]);
});
