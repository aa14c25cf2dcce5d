/** Versions copied to other buckets, in other Regions and accounts. */
import { IAM } from '@aws-sdk/client-iam';
import type { ReplicationRule, S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { eventually, freshAccount, refused, type TestAccount } from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

const versioning = { Status: 'Enabled' as const };

async function roleOf(account: TestAccount, actions = ['s3:*']): Promise<string> {
  const iam = new IAM(account.config());
  const trust = { Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const { Role } = await iam.createRole({
    RoleName: 'copies',
    AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [trust] }),
  });
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
  });
  await iam.putRolePolicy({ RoleName: 'copies', PolicyName: 'copies', PolicyDocument });
  return Role?.Arn ?? '';
}

async function bucketIn(account: TestAccount, region: string, versioned = true): Promise<{ s3: S3; Bucket: string }> {
  const s3 = clientOf(account, { region });
  const Bucket = freshName(account);
  const place = region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-west-1' } };
  await s3.createBucket({ Bucket, ...place });
  if (versioned) await s3.putBucketVersioning({ Bucket, VersioningConfiguration: versioning });
  return { s3, Bucket };
}

function ruleTo(Bucket: string, more: Partial<ReplicationRule> = {}): ReplicationRule {
  const Destination = { Bucket: `arn:aws:s3:::${Bucket}`, ...more.Destination };
  const DeleteMarkerReplication = { Status: 'Disabled' as const };
  return { Status: 'Enabled', Priority: 1, Filter: { Prefix: '' }, DeleteMarkerReplication, ...more, Destination };
}

async function statusOf({ s3, Bucket }: { s3: S3; Bucket: string }, Key: string, status: string): Promise<void> {
  await eventually(async () => expect((await s3.headObject({ Bucket, Key })).ReplicationStatus).toBe(status), {
    why: `${Key} becomes ${status}`,
  });
}

test('S3-039 an object is copied after the answer to its PUT, and both sides tell', async () => {
  const account = freshAccount();
  const source = await bucketIn(account, 'us-east-1');
  const target = await bucketIn(account, 'us-east-1');
  const Role = await roleOf(account);
  const rule = ruleTo(target.Bucket, { Destination: { Bucket: `arn:aws:s3:::${target.Bucket}`, StorageClass: 'STANDARD_IA' } });
  const ReplicationConfiguration = { Role, Rules: [rule] };
  await source.s3.putBucketReplication({ Bucket: source.Bucket, ReplicationConfiguration });
  const read = await source.s3.getBucketReplication({ Bucket: source.Bucket });
  expect(read.ReplicationConfiguration).toMatchObject({ Role, Rules: [{ Priority: 1, Status: 'Enabled' }] });
  const at = { Bucket: source.Bucket, Key: 'k' };
  const put = await source.s3.putObject({ ...at, Body: 'copied', Metadata: { a: '1' }, Tagging: 't=1' });
  expect((await source.s3.headObject(at)).ReplicationStatus).toBe('PENDING');
  await refused(target.s3.getObject({ Bucket: target.Bucket, Key: 'k' }), 'NoSuchKey', undefined, 404);
  await statusOf(source, 'k', 'COMPLETED');
  const replica = await target.s3.headObject({ Bucket: target.Bucket, Key: 'k' });
  expect(replica).toMatchObject({
    ReplicationStatus: 'REPLICA',
    VersionId: put.VersionId,
    ETag: put.ETag,
    Metadata: { a: '1' },
    StorageClass: 'STANDARD_IA',
    TagCount: 1,
  });
  expect(await textOf(target.s3, { Bucket: target.Bucket, Key: 'k' })).toBe('copied');
  await source.s3.putObjectTagging({ ...at, Tagging: { TagSet: [{ Key: 't', Value: '2' }] } });
  await statusOf(source, 'k', 'COMPLETED');
  const tags = await target.s3.getObjectTagging({ Bucket: target.Bucket, Key: 'k', VersionId: put.VersionId });
  expect(tags.TagSet).toEqual([{ Key: 't', Value: '2' }]);
});

test('S3-040 replication needs versions on both sides and a role, and takes only what is written later', async () => {
  const account = freshAccount();
  const source = await bucketIn(account, 'us-east-1', false);
  const target = await bucketIn(account, 'us-east-1', false);
  const Role = await roleOf(account);
  const put = (role: string, ...Rules: ReplicationRule[]) =>
    source.s3.putBucketReplication({ Bucket: source.Bucket, ReplicationConfiguration: { Role: role, Rules } });
  const unversioned = 'Destination bucket must have versioning enabled.';
  await refused(put(Role, ruleTo(target.Bucket)), 'InvalidRequest', unversioned, 400);
  await target.s3.putBucketVersioning({ Bucket: target.Bucket, VersioningConfiguration: versioning });
  const text = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
  await refused(put(Role, ruleTo(target.Bucket)), 'InvalidRequest', text, 400);
  await source.s3.putBucketVersioning({ Bucket: source.Bucket, VersioningConfiguration: versioning });
  const noRole = 'Invalid Role specified in replication configuration';
  await refused(put('copies', ruleTo(target.Bucket)), 'InvalidArgument', noRole, 400);
  await refused(put(Role, ruleTo('absent-bucket-here')), 'InvalidRequest', 'Destination bucket must exist.', 400);
  const { Priority: _priority, ...unordered } = ruleTo(target.Bucket);
  await refused(put(Role, unordered), 'InvalidRequest', /^Priority must be specified for this version/, 400);
  const twice = put(Role, ruleTo(target.Bucket, { ID: 'a' }), ruleTo(target.Bucket, { ID: 'b' }));
  await refused(twice, 'InvalidRequest', 'Found duplicate priority 1', 400);
  await refused(
    source.s3.getBucketReplication({ Bucket: source.Bucket }),
    'ReplicationConfigurationNotFoundError',
    'The replication configuration was not found',
    404,
  );
  await source.s3.putObject({ Bucket: source.Bucket, Key: 'before', Body: 'x' });
  await put(Role, ruleTo(target.Bucket));
  await source.s3.putObject({ Bucket: source.Bucket, Key: 'later', Body: 'x' });
  await statusOf(source, 'later', 'COMPLETED');
  const { Contents } = await target.s3.listObjectsV2({ Bucket: target.Bucket });
  expect(Contents?.map(({ Key }) => Key)).toEqual(['later']);
  expect((await source.s3.headObject({ Bucket: source.Bucket, Key: 'before' })).ReplicationStatus).toBeUndefined();
  const suspend = { Bucket: source.Bucket, VersioningConfiguration: { Status: 'Suspended' as const } };
  await refused(source.s3.putBucketVersioning(suspend), 'InvalidBucketState', undefined, 409);
  await source.s3.deleteBucketReplication({ Bucket: source.Bucket });
  await source.s3.putBucketVersioning(suspend);
});

test('S3-041 one object goes to a bucket of its Region and to one of another', async () => {
  const account = freshAccount();
  const source = await bucketIn(account, 'ap-northeast-2');
  const near = await bucketIn(account, 'ap-northeast-2');
  const far = await bucketIn(account, 'us-east-1');
  const Role = await roleOf(account);
  const Rules = [ruleTo(near.Bucket), ruleTo(far.Bucket, { Priority: 2 })];
  await source.s3.putBucketReplication({ Bucket: source.Bucket, ReplicationConfiguration: { Role, Rules } });
  const Body = new Uint8Array(300_000).fill(7);
  await source.s3.putObject({ Bucket: source.Bucket, Key: 'k', Body });
  await statusOf(source, 'k', 'COMPLETED');
  for (const { s3, Bucket } of [near, far]) {
    const { Body: copy } = await s3.getObject({ Bucket, Key: 'k' });
    expect(Buffer.from((await copy?.transformToByteArray()) ?? []).equals(Buffer.from(Body))).toBe(true);
  }
});

test('another account lets replicas in by its bucket policy; delete markers go along where the rule says so', async () => {
  const [account, other] = [freshAccount(), freshAccount()];
  const source = await bucketIn(account, 'us-east-1');
  const target = await bucketIn(other, 'eu-west-1');
  const Role = await roleOf(account);
  const more = {
    DeleteMarkerReplication: { Status: 'Enabled' as const },
    Destination: {
      Bucket: `arn:aws:s3:::${target.Bucket}`,
      Account: other.id,
      AccessControlTranslation: { Owner: 'Destination' as const },
    },
  };
  const ReplicationConfiguration = { Role, Rules: [ruleTo(target.Bucket, more)] };
  await source.s3.putBucketReplication({ Bucket: source.Bucket, ReplicationConfiguration });
  await source.s3.putObject({ Bucket: source.Bucket, Key: 'denied', Body: 'x' });
  await statusOf(source, 'denied', 'FAILED');
  await refused(target.s3.getObject({ Bucket: target.Bucket, Key: 'denied' }), 'NoSuchKey', undefined, 404);
  const statement = {
    Effect: 'Allow',
    Principal: { AWS: Role },
    Action: ['s3:ReplicateObject', 's3:ReplicateDelete'],
    Resource: `arn:aws:s3:::${target.Bucket}/*`,
  };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await target.s3.putBucketPolicy({ Bucket: target.Bucket, Policy });
  await source.s3.putObject({ Bucket: source.Bucket, Key: 'k', Body: 'let in' });
  await statusOf(source, 'k', 'COMPLETED');
  expect(await textOf(target.s3, { Bucket: target.Bucket, Key: 'k' })).toBe('let in');
  const marker = await source.s3.deleteObject({ Bucket: source.Bucket, Key: 'k' });
  await eventually(
    async () => {
      const { DeleteMarkers = [] } = await target.s3.listObjectVersions({ Bucket: target.Bucket });
      expect(DeleteMarkers.map(({ VersionId }) => VersionId)).toEqual([marker.VersionId]);
    },
    { why: 'the marker arrives' },
  );
});

test('a role that may not replicate makes nothing but a failed status', async () => {
  const account = freshAccount();
  const source = await bucketIn(account, 'us-east-1');
  const target = await bucketIn(account, 'us-east-1');
  const Role = await roleOf(account, ['s3:GetObject*', 's3:PutObject']);
  const ReplicationConfiguration = { Role, Rules: [ruleTo(target.Bucket)] };
  await source.s3.putBucketReplication({ Bucket: source.Bucket, ReplicationConfiguration });
  await source.s3.putObject({ Bucket: source.Bucket, Key: 'k', Body: 'x' });
  await statusOf(source, 'k', 'FAILED');
  expect((await target.s3.listObjectsV2({ Bucket: target.Bucket })).KeyCount).toBe(0);
});
